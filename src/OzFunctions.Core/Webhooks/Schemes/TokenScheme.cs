namespace OzFunctions.Webhooks.Schemes;

/// <summary>A static token: whoever has it may start runs. Nothing signs the body, so nothing tells a replay but an id that the sender gives.</summary>
internal sealed class TokenScheme(WebhookOptions options) : WebhookScheme(options)
{
    private readonly BearerToken _token = new(options);

    public override string? FindForgery(WebhookArrival arrival, DateTimeOffset now) => _token.FindForgery(arrival);

    public override WebhookReading Read(WebhookArrival arrival)
    {
        var payload = Body.ReadPayload(arrival);

        // Without an id every delivery is a new one: the same words tomorrow are meant again.
        var id = arrival.Find(Options.IdHeader) is { } given ? DeliveryIds.Get(given, Options.IdHeader) : "d-" + Guid.NewGuid().ToString("N");
        return WebhookReading.Of(id, Options.EventHeader is { } header ? arrival.Find(header) : payload.FindString("type"), payload);
    }
}
