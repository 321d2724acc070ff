using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OzFunctions.Events;

/// <summary>Signs as Standard Webhooks says: HMAC-SHA256 over <c>id.timestamp.body</c>, one <c>v1,&lt;base64&gt;</c> for each key, so that a receiver may change keys at leisure.</summary>
public sealed class StandardSignature
{
    public const string IdHeader = "webhook-id";
    public const string TimestampHeader = "webhook-timestamp";
    public const string SignatureHeader = "webhook-signature";

    public const string KeyRule = "must be the base64 of 16 to 128 random bytes, with or without 'whsec_' in front (printf whsec_; openssl rand -base64 32)";

    private const string Prefix = "whsec_";

    private readonly IReadOnlyList<byte[]> _keys;

    /// <param name="secrets">The newest first; each passes <see cref="FindKey"/>.</param>
    public StandardSignature(IEnumerable<string> secrets)
    {
        _keys = [.. secrets.Select(secret => FindKey(secret) ?? throw new ArgumentException("A secret " + KeyRule, nameof(secrets)))];
        if (_keys.Count == 0)
        {
            throw new ArgumentException("Nothing is signed without a secret.", nameof(secrets));
        }
    }

    /// <summary>The key behind a secret's text; null when it is none.</summary>
    public static byte[]? FindKey(string secret)
    {
        var text = secret.StartsWith(Prefix, StringComparison.Ordinal) ? secret[Prefix.Length..] : secret;
        var key = new byte[text.Length];
        return Convert.TryFromBase64String(text, key, out var length) && length is >= 16 and <= 128 ? key[..length] : null;
    }

    /// <summary>The value of <c>webhook-signature</c>.</summary>
    public string Sign(string id, DateTimeOffset at, ReadOnlySpan<byte> body)
    {
        var head = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{at.ToUnixTimeSeconds()}."));
        var signed = new byte[head.Length + body.Length];
        head.CopyTo(signed, 0);
        body.CopyTo(signed.AsSpan(head.Length));
        return string.Join(' ', _keys.Select(key => "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, signed))));
    }

    /// <summary>The keys stay inside.</summary>
    public override string ToString() => nameof(StandardSignature);
}
