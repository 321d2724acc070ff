using System.Net;
using Microsoft.AspNetCore.Http;
using OzFunctions.Http.Problems;

namespace OzFunctions.Http.Guards;

/// <summary>
/// Keeps a browser's pages out. A page on another origin may send requests here, and its host name may be made to point here (DNS rebinding): the first shows in
/// <c>Origin</c>, the second in <c>Host</c>.
/// </summary>
internal sealed class HostRule
{
    private readonly HashSet<string> _names;
    private readonly bool _anyAddress;
    private readonly string? _publicOrigin;

    public HostRule(FrontDoorOptions options)
    {
        _names = new(["localhost", "127.0.0.1", "::1"], StringComparer.OrdinalIgnoreCase);
        _names.UnionWith(options.Hosts.Select(Plain));
        _anyAddress = options.AnyAddressHost;
        if (options.PublicUrl is { } url)
        {
            _names.Add(Plain(url.Host));
            _publicOrigin = url.GetLeftPart(UriPartial.Authority);
        }
    }

    public void CheckHost(HttpRequest request)
    {
        var host = Plain(request.Host.Host ?? "");

        // A rebound name is a name: an address in its place can be none.
        if (!_names.Contains(host) && !(_anyAddress && IPAddress.TryParse(host, out _)))
        {
            throw new ApiException(ApiError.NotAuthorized, "This host name is not known here. Call it by an address it listens on, or set public_url to the name it is reached by.");
        }
    }

    /// <param name="isPage">A page without data may be reached by a link from anywhere.</param>
    public void CheckOrigin(HttpRequest request, bool isPage)
    {
        var origins = request.Headers.Origin;
        var own = $"{request.Scheme}://{request.Host.Value}";
        var foreign = origins.Count > 0
            ? origins.Count > 1 || !(string.Equals(origins[0], own, StringComparison.OrdinalIgnoreCase) || (_publicOrigin is not null && string.Equals(origins[0], _publicOrigin, StringComparison.OrdinalIgnoreCase)))
            : !isPage && request.Headers["Sec-Fetch-Site"] is [("cross-site" or "same-site"), ..];
        if (foreign)
        {
            throw new ApiException(ApiError.NotAuthorized, "Pages of other origins get nothing here.");
        }
    }

    private static string Plain(string host) => host.Trim('[', ']').TrimEnd('.');
}
