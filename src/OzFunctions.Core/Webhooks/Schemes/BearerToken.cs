using System.Security.Cryptography;
using System.Text;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>A static token in a header, with or without <c>Bearer</c> in front.</summary>
internal sealed class BearerToken(WebhookOptions options)
{
    private const string Scheme = "Bearer ";

    private readonly string _header = options.Header ?? "Authorization";

    // Hashed, so that comparing takes the same time whatever the lengths.
    private readonly IReadOnlyList<byte[]> _tokens = [.. options.Secrets.Select(secret => SHA256.HashData(Encoding.UTF8.GetBytes(secret)))];

    public string? FindForgery(WebhookArrival arrival)
    {
        if (arrival.Find(_header) is not { } value)
        {
            return $"it has no {_header}";
        }

        var given = SHA256.HashData(Encoding.UTF8.GetBytes(value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? value[Scheme.Length..].Trim() : value));
        var genuine = false;
        foreach (var token in _tokens)
        {
            genuine |= CryptographicOperations.FixedTimeEquals(token, given);
        }

        return genuine ? null : $"its {_header} is another one";
    }
}
