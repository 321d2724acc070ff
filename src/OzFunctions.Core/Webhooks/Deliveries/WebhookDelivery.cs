using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Webhooks.Deliveries;

/// <summary>
/// What became of one genuine delivery: content of <c>deliveries/in/&lt;webhook&gt;/&lt;inv&gt;-&lt;id&gt;.json</c>. Signatures, tokens and other headers are not kept.
/// </summary>
public sealed record WebhookDelivery
{
    /// <summary>A payload that is longer, as JSON, is not kept: the run holds what it needed of it.</summary>
    public const int MostPayloadBytes = 256 * 1024;

    public const int CurrentSchema = 1;

    public int Schema { get; init; } = CurrentSchema;

    public required string Webhook { get; init; }

    /// <summary>The sender's.</summary>
    public required string Id { get; init; }

    public required DateTimeOffset ReceivedAt { get; init; }

    public string? Event { get; init; }

    public string? Action { get; init; }

    public string? Sender { get; init; }

    public required DeliveryResult Result { get; init; }

    /// <summary>Why no run was started.</summary>
    public string? Reason { get; init; }

    public RunId? RunId { get; init; }

    /// <summary>How often the same delivery came again.</summary>
    public int Repeats { get; init; }

    /// <summary>Runs that a person made of it afterwards.</summary>
    public IReadOnlyList<RunId>? RedeliveredAs { get; init; }

    public int PayloadBytes { get; init; }

    /// <summary>As JSON, also of a form; null when it is not kept.</summary>
    public JsonElement? Payload { get; init; }
}

/// <summary>What became of a delivery.</summary>
[JsonConverter(typeof(DeliveryResultConverter))]
public enum DeliveryResult
{
    /// <summary>It has a run.</summary>
    Accepted,

    /// <summary>Genuine, and nothing that this webhook acts upon.</summary>
    Filtered,

    /// <summary>No run request could be made of it.</summary>
    Faulty,

    /// <summary>Too many runs waited.</summary>
    Refused,
}

public static class DeliveryResults
{
    /// <summary>As in the log's entries and in answers.</summary>
    public static string Text(this DeliveryResult result) => JsonNamingPolicy.SnakeCaseLower.ConvertName(result.ToString());
}

internal sealed class DeliveryResultConverter() : JsonStringEnumConverter<DeliveryResult>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(UtcTimeConverter)])]
[JsonSerializable(typeof(WebhookDelivery))]
[JsonSerializable(typeof(RequestFault))]
public sealed partial class DeliveryJson : JsonSerializerContext
{
    /// <summary>The context to use: leaves text readable.</summary>
    public static DeliveryJson Wire => LazyWire.Value;

    /// <summary>Writes a list as API and command line show it, <c>{"deliveries":[…]}</c>: without payloads.</summary>
    public static void WriteList(Utf8JsonWriter json, IEnumerable<WebhookDelivery> deliveries)
    {
        json.WriteStartObject();
        json.WriteStartArray("deliveries");
        foreach (var delivery in deliveries)
        {
            JsonSerializer.Serialize(json, delivery with { Payload = null }, Wire.WebhookDelivery);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static readonly Lazy<DeliveryJson> LazyWire = ReadableJson.Of(() => Default!, options => new DeliveryJson(options));
}
