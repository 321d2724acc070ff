using System.Text.Json;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>Linear: <c>Linear-Signature</c> over the raw body, which holds the time itself, <c>webhookTimestamp</c> in milliseconds.</summary>
internal sealed class LinearScheme(WebhookOptions options) : WebhookScheme(options)
{
    private readonly IReadOnlyList<byte[]> _keys = Signature.Keys(options.Secrets);
    private readonly TimeSpan _tolerance = options.Tolerance ?? TimeSpan.FromMinutes(1);

    /// <summary>Longer than <see cref="WebhookOptions.Tolerance"/> lets the signed time pass.</summary>
    public override TimeSpan? UsualReplayWindow(JsonElement payload) => SignedBodies.MostWindow;

    public override string? FindForgery(WebhookArrival arrival, DateTimeOffset now)
    {
        if (Signature.FromHex(arrival.Find("Linear-Signature")) is not { } signature || !Signature.IsGenuine(_keys, "", arrival.Body, signature))
        {
            return "its Linear-Signature is missing or not ours";
        }

        // Only now the bytes are Linear's. What cannot be read at all is told so by Read.
        try
        {
            return Body.ParseJson(arrival.Body).Member("webhookTimestamp") is { ValueKind: JsonValueKind.Number } time && time.TryGetInt64(out var milliseconds)
                && milliseconds is > 0 and < 253_402_300_799_000
                ? Signature.FindTimeFault(DateTimeOffset.FromUnixTimeMilliseconds(milliseconds), now, _tolerance)
                : "it has no webhookTimestamp";
        }
        catch (WebhookBodyException)
        {
            return null;
        }
    }

    public override WebhookReading Read(WebhookArrival arrival)
    {
        var payload = Body.ReadJson(arrival);
        var id = arrival.Find("Linear-Delivery") ?? throw new WebhookBodyException("The delivery has no Linear-Delivery");
        return WebhookReading.Of(DeliveryIds.Get(id, "Linear-Delivery"), payload.FindString("type"), payload);
    }

    public override WebhookOrigin Describe(string? eventName, JsonElement payload)
    {
        var (actor, thing) = (payload.Member("actor"), payload.Member("data"));
        var (user, bot) = (thing.Member("user"), thing.Member("botActor"));
        var isBot = actor.FindString("type") is { } type && !type.Equals("user", StringComparison.OrdinalIgnoreCase) || actor is null && bot is not null;
        return new()
        {
            Action = payload.FindString("action"),
            Sender = [.. new[]
            {
                actor.FindString("email"), actor.FindString("id"), user.FindString("email"), user.FindString("id"), thing.FindString("userId"), bot.FindString("id"),

                // A person names himself as he likes. Of Linear's own integrations the name is all there is to list.
                isBot ? actor.FindString("name") : null, isBot ? bot.FindString("name") : null,
            }.OfType<string>().Distinct()],
            Shown = actor.FindString("email") ?? actor.FindString("id") ?? actor.FindString("name"),
            IsBot = isBot,
            Stranger = (thing.Member("externalUser") ?? thing.Member("externalUserId")) is not null ? "it was written by somebody outside of the workspace" : null,
            Labels = thing.Member("labels") is { ValueKind: JsonValueKind.Array } labels ? [.. labels.EnumerateArray().Select(label => label.FindString("name")).OfType<string>()] : [],
        };
    }
}
