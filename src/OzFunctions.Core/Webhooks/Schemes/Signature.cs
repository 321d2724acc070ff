using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>HMAC-SHA256 over raw bytes, compared in constant time with every secret there is.</summary>
internal static class Signature
{
    private const int Size = HMACSHA256.HashSizeInBytes;

    /// <param name="keys">All are tried, whichever fits: the time says nothing about which.</param>
    /// <param name="prefix">What is signed before the body.</param>
    public static bool IsGenuine(IReadOnlyList<byte[]> keys, string prefix, ReadOnlyMemory<byte> body, ReadOnlySpan<byte> signature)
    {
        var genuine = false;
        foreach (var key in keys)
        {
            genuine |= CryptographicOperations.FixedTimeEquals(Compute(key, prefix, body.Span), signature);
        }

        return genuine;
    }

    public static byte[] Compute(byte[] key, string prefix, ReadOnlySpan<byte> body)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        hmac.AppendData(Encoding.UTF8.GetBytes(prefix));
        hmac.AppendData(body);
        return hmac.GetHashAndReset();
    }

    /// <summary>32 bytes in hex; null for anything else.</summary>
    public static byte[]? FromHex(string? text)
    {
        var bytes = new byte[Size];
        return text?.Length == 2 * Size && Convert.FromHexString(text, bytes, out _, out _) == OperationStatus.Done ? bytes : null;
    }

    /// <summary>32 bytes in base64; null for anything else.</summary>
    public static byte[]? FromBase64(string? text)
    {
        var bytes = new byte[Size + 1];
        return text is { Length: 44 } && Convert.TryFromBase64String(text, bytes, out var written) && written == Size ? bytes[..Size] : null;
    }

    public static IReadOnlyList<byte[]> Keys(IEnumerable<string> secrets) => [.. secrets.Select(Encoding.UTF8.GetBytes)];

    /// <summary>Why a signed time is not now; null when it is. Seconds since 1970.</summary>
    public static string? FindTimeFault(string? text, DateTimeOffset now, TimeSpan tolerance) =>
        text is { Length: > 0 and <= 12 } && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? FindTimeFault(DateTimeOffset.FromUnixTimeSeconds(Math.Min(seconds, 253_402_300_799)), now, tolerance)
            : "it has no time that can be read";

    /// <summary>The same of a time.</summary>
    public static string? FindTimeFault(DateTimeOffset sent, DateTimeOffset now, TimeSpan tolerance) =>
        sent < now - tolerance ? $"it was signed at {Json.TimeText.Format(sent)}, too long ago"
        : sent > now + tolerance ? $"it was signed for {Json.TimeText.Format(sent)}, which is still to come"
        : null;
}
