using System.Text.Json;
using OzFunctions.Events;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>Standard Webhooks: <c>webhook-id</c>, <c>webhook-timestamp</c>, <c>webhook-signature</c> with a list of <c>v1,&lt;base64&gt;</c> over <c>id.timestamp.body</c>.</summary>
internal sealed class StandardScheme(WebhookOptions options) : WebhookScheme(options)
{
    private const int MostSignatures = 20;

    private readonly IReadOnlyList<byte[]> _keys = [.. options.Secrets.Select(secret => FindKey(secret) ?? throw new ArgumentException(KeyRule, nameof(options)))];
    private readonly TimeSpan _tolerance = options.Tolerance ?? TimeSpan.FromMinutes(5);

    public const string KeyRule = "a secret of Standard Webhooks is base64 of 16 to 128 bytes, with or without 'whsec_' in front (openssl rand -base64 32)";

    /// <summary>The key behind a secret's text; null when it is none.</summary>
    public static byte[]? FindKey(string secret) => StandardSignature.FindKey(secret);

    public override string? FindForgery(WebhookArrival arrival, DateTimeOffset now)
    {
        if (arrival.Find("webhook-id") is not { } id || arrival.Find("webhook-signature") is not { } signatures)
        {
            return "it has no webhook-id or no webhook-signature";
        }

        var time = arrival.Find("webhook-timestamp");
        if (Signature.FindTimeFault(time, now, _tolerance) is { } timeFault)
        {
            return timeFault;
        }

        var genuine = false;
        foreach (var signature in signatures.Split(' ', StringSplitOptions.RemoveEmptyEntries).Take(MostSignatures))
        {
            genuine |= signature.StartsWith("v1,", StringComparison.Ordinal) && Signature.FromBase64(signature[3..]) is { } bytes
                && Signature.IsGenuine(_keys, $"{id}.{time}.", arrival.Body, bytes);
        }

        return genuine ? null : "none of its signatures is ours";
    }

    public override WebhookReading Read(WebhookArrival arrival)
    {
        var payload = Body.ReadJson(arrival);
        return WebhookReading.Of(DeliveryIds.Get(arrival.Find("webhook-id"), "webhook-id"), payload.FindString("type"), payload);
    }
}

/// <summary>Looking into payloads that may be anything.</summary>
internal static class PayloadExtensions
{
    /// <summary>A member of an object; null for anything else and for a JSON null.</summary>
    public static JsonElement? Member(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null ? member : null;

    public static JsonElement? Member(this JsonElement? element, string name) => element?.Member(name);

    public static string? FindString(this JsonElement element, string name) => element.Member(name) is { ValueKind: JsonValueKind.String } text && text.GetString() is { Length: > 0 } found ? found : null;

    public static string? FindString(this JsonElement? element, string name) => element?.FindString(name);
}
