using System.Text.Json;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>HMAC-SHA256 of the raw body in a header that the configuration names: hex or base64, with or without <c>sha256=</c>.</summary>
internal sealed class HmacScheme(WebhookOptions options) : WebhookScheme(options)
{
    private const string Prefix = "sha256=";

    private readonly IReadOnlyList<byte[]> _keys = Signature.Keys(options.Secrets);
    private readonly string _header = options.Header ?? "X-Signature-256";

    /// <summary>Not for long: a sender of one's own may well say the same again later, and mean it.</summary>
    public override TimeSpan? UsualReplayWindow(JsonElement payload) => TimeSpan.FromHours(1);

    public override string? FindForgery(WebhookArrival arrival, DateTimeOffset now)
    {
        if (arrival.Find(_header) is not { } text)
        {
            return $"it has no {_header}";
        }

        text = text.StartsWith(Prefix, StringComparison.Ordinal) ? text[Prefix.Length..] : text;
        return (Signature.FromHex(text) ?? Signature.FromBase64(text)) is { } signature && Signature.IsGenuine(_keys, "", arrival.Body, signature)
            ? null
            : $"its {_header} is not ours";
    }

    public override WebhookReading Read(WebhookArrival arrival)
    {
        var payload = Body.ReadPayload(arrival);

        // No time is signed, so what was signed once stays good for ever: without an id of its own the body is the id, and comes in once.
        var id = arrival.Find(Options.IdHeader) is { } given ? DeliveryIds.Get(given, Options.IdHeader) : DeliveryIds.OfBody(arrival.Body);
        return WebhookReading.Of(id, Options.EventHeader is { } header ? arrival.Find(header) : payload.FindString("type"), payload);
    }
}
