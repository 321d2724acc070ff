using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace OzFunctions.Webhooks.Schemes;

/// <summary>
/// CloudEvents 1.0 over HTTP (structured, batched and binary) and Event Grid's own schema, authenticated by a token in a header; with the
/// handshakes of both: <c>OPTIONS</c> with <c>WebHook-Request-Origin</c>, and the SubscriptionValidation event.
/// </summary>
internal sealed class CloudEventsScheme(WebhookOptions options) : WebhookScheme(options)
{
    private const string Validation = "Microsoft.EventGrid.SubscriptionValidationEvent";
    private const string Batch = "application/cloudevents-batch+json";
    private const int MostEvents = 100;

    private readonly BearerToken _token = new(options);

    public override string? FindForgery(WebhookArrival arrival, DateTimeOffset now) => _token.FindForgery(arrival);

    /// <summary>Consent is given to known origins; it opens nothing, since every delivery still needs the token.</summary>
    public override WebhookAnswer? AnswerHandshake(WebhookArrival arrival)
    {
        if (arrival.Find("WebHook-Request-Origin") is not { } origin || !Options.Origins.Contains(origin, StringComparer.OrdinalIgnoreCase))
        {
            return new() { Status = 403 };
        }

        var headers = new Dictionary<string, string> { ["WebHook-Allowed-Origin"] = origin, ["Allow"] = "POST" };
        if (arrival.Find("WebHook-Request-Rate") is not null)
        {
            headers["WebHook-Allowed-Rate"] = "*";
        }

        return new() { Status = 200, Headers = headers };
    }

    public override WebhookReading Read(WebhookArrival arrival)
    {
        if (arrival.Find("ce-specversion") is not null)
        {
            return new([ReadBinary(arrival)]);
        }

        var body = Body.ReadJson(arrival);
        if (body.ValueKind != JsonValueKind.Array)
        {
            return Body.TypeOf(arrival) == Batch ? throw new WebhookBodyException("A batch of CloudEvents is a JSON array") : new([ReadEvent(body)]);
        }

        if (body.GetArrayLength() is 0 or > MostEvents)
        {
            throw new WebhookBodyException(string.Create(CultureInfo.InvariantCulture, $"A batch holds 1 to {MostEvents} events"));
        }

        if (body[0].FindString("eventType") == Validation)
        {
            return WebhookReading.AnswerWith(Validate(body[0]));
        }

        return new([.. body.EnumerateArray().Select(ReadEvent)]);
    }

    private static WebhookAnswer Validate(JsonElement body) => body.Member("data").FindString("validationCode") is { Length: <= 500 } code
        ? WebhookAnswer.Json(
            200,
            json =>
            {
                json.WriteStartObject();
                json.WriteString("validationResponse", code);
                json.WriteEndObject();
            })
        : throw new WebhookBodyException("The SubscriptionValidation event has no data.validationCode");

    private static WebhookMessage ReadEvent(JsonElement body)
    {
        if (body.FindString("eventType") is { } gridType)
        {
            return new(DeliveryIds.Get($"{body.FindString("topic")} {Required(body, "id")}", "topic and id"), gridType, body);
        }

        return body.FindString("specversion") == "1.0"
            ? new(DeliveryIds.Get($"{Required(body, "source")} {Required(body, "id")}", "source and id"), Required(body, "type"), body)
            : throw new WebhookBodyException("The delivery is neither a CloudEvent with specversion 1.0 nor an Event Grid event");
    }

    /// <summary>Binary mode made structured, so that templates know one form.</summary>
    private static WebhookMessage ReadBinary(WebhookArrival arrival)
    {
        var data = arrival.Body.Length == 0 ? (JsonElement?)null : Body.ReadJson(arrival);
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            foreach (var (name, value) in arrival.Headers.Where(header => header.Key.StartsWith("ce-", StringComparison.OrdinalIgnoreCase)).OrderBy(header => header.Key, StringComparer.OrdinalIgnoreCase))
            {
                json.WriteString(name[3..].ToLowerInvariant(), Uri.UnescapeDataString(value));
            }

            if (data is { } element)
            {
                json.WritePropertyName("data");
                element.WriteTo(json);
            }

            json.WriteEndObject();
        }

        return ReadEvent(Body.ParseJson(buffer.WrittenMemory));
    }

    private static string Required(JsonElement body, string name) =>
        body.FindString(name) ?? throw new WebhookBodyException($"The event has no {name}");
}
