using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Json;
using OzFunctions.Runs;

namespace OzFunctions.Events;

/// <summary>How one event fared at each publisher on foreign ground: content of <c>deliveries/out/&lt;inv&gt;-&lt;event id&gt;.json</c>.</summary>
public sealed record EventDelivery
{
    public const int CurrentSchema = 1;

    public int Schema { get; init; } = CurrentSchema;

    public required string EventId { get; init; }

    public required string Type { get; init; }

    public required RunId RunId { get; init; }

    public required IReadOnlyList<PublisherDelivery> Publishers { get; init; }
}

/// <summary>One publisher's part of it, as the last try left it.</summary>
public sealed record PublisherDelivery
{
    public required string Publisher { get; init; }

    public required EventDeliveryState State { get; init; }

    public required int Tries { get; init; }

    /// <summary>Of the last try.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>HTTP status or exit code of the last try; null where there was no answer, or nothing to say.</summary>
    public int? Status { get; init; }

    /// <summary>What went wrong, a sentence.</summary>
    public string? Message { get; init; }

    public DateTimeOffset? NextAt { get; init; }
}

[JsonConverter(typeof(EventDeliveryStateConverter))]
public enum EventDeliveryState
{
    Delivered,

    /// <summary>It failed and is tried again at <see cref="PublisherDelivery.NextAt"/>.</summary>
    Retrying,

    /// <summary>It is not tried again by itself: <c>ozf events redeliver</c>.</summary>
    Failed,
}

internal sealed class EventDeliveryStateConverter() : JsonStringEnumConverter<EventDeliveryState>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(UtcTimeConverter)])]
[JsonSerializable(typeof(EventDelivery))]
[JsonSerializable(typeof(PublisherDelivery))]
public sealed partial class EventDeliveryJson : JsonSerializerContext
{
    public static EventDeliveryJson Wire => LazyWire.Value;

    private static readonly Lazy<EventDeliveryJson> LazyWire = ReadableJson.Of(() => Default!, options => new EventDeliveryJson(options));
}
