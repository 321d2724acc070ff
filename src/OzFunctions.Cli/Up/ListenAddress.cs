using System.Globalization;
using System.Net;
using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Up;

/// <summary>Where <c>ozf up</c> listens: loopback unless <c>--listen</c> says another address.</summary>
internal static class ListenAddress
{
    public const int DefaultPort = 7007;

    /// <param name="listen"><c>ADDR:PORT</c>.</param>
    /// <param name="port">On loopback.</param>
    /// <param name="origin">Who says it, for what is wrong with it; null: the flags of <c>ozf up</c>.</param>
    public static IPEndPoint Parse(string? listen, int? port, string? origin = null)
    {
        if (listen is null)
        {
            return port is null or (>= 0 and <= 65535)
                ? new(IPAddress.Loopback, port ?? DefaultPort)
                : throw CommandException.Usage(string.Create(CultureInfo.InvariantCulture, $"{origin ?? "--port"}: '{port}': a number from 0 to 65535 is expected; 0 picks a free one."));
        }

        if (port is not null)
        {
            throw CommandException.Usage("--port and --listen exclude each other: --listen ADDR:PORT names the port too.");
        }

        // 'IPEndPoint' takes an address without a port, and an IPv6 address without brackets, for what they are not.
        var colon = listen.LastIndexOf(':');
        if (colon > 0 && int.TryParse(listen.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= 65535)
        {
            var address = listen[..colon];
            if (address == "localhost")
            {
                return new(IPAddress.Loopback, number);
            }

            if ((address.StartsWith('[') && address.EndsWith(']')) == address.Contains(':', StringComparison.Ordinal) && IPAddress.TryParse(address.Trim('[', ']'), out var parsed))
            {
                return new(parsed, number);
            }
        }

        throw CommandException.Usage($"{origin ?? "--listen"}: '{listen}': an address and a port are expected, such as 0.0.0.0:7007 or [::1]:7007.");
    }

    public static bool IsAny(IPEndPoint endPoint) => endPoint.Address.Equals(IPAddress.Any) || endPoint.Address.Equals(IPAddress.IPv6Any);
}
