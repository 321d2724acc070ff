using System.Security.Cryptography;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>What names a delivery for good.</summary>
internal static class DeliveryIds
{
    private const int Longest = 512;

    /// <summary>An id that the sender must give.</summary>
    public static string Get(string? id, string where) => id is { Length: > 0 and <= Longest } && !id.Any(char.IsControl)
        ? id
        : throw new WebhookBodyException($"The delivery has no id: {where} must hold 1 to {Longest} characters");

    /// <summary>For senders that sign and give no id: the same bytes are the same delivery.</summary>
    public static string OfBody(ReadOnlyMemory<byte> body) => "body-" + Convert.ToHexStringLower(SHA256.HashData(body.Span));
}
