using System.Text.Json.Serialization;
using OzFunctions.Json;
using OzFunctions.Requests;

namespace OzFunctions.DeadLetters;

/// <summary>A message that no run could be made of, kept with every fault: <c>dead-letters/&lt;inv&gt;-&lt;id&gt;.json</c>.</summary>
public sealed record DeadLetter
{
    public required string Id { get; init; }

    public required string Queue { get; init; }

    public required string MessageId { get; init; }

    /// <summary><c>invalid_request</c>, <c>delivered_too_often</c>, or the broker's own reason.</summary>
    public required string Reason { get; init; }

    public required string Description { get; init; }

    public IReadOnlyList<RequestFault> Faults { get; init; } = [];

    /// <summary>The message as it came; bytes that are not UTF-8 are replaced.</summary>
    public required string Body { get; init; }

    public required DateTimeOffset ReceivedAt { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(UtcTimeConverter)])]
[JsonSerializable(typeof(DeadLetter))]
public sealed partial class DeadLetterJson : JsonSerializerContext
{
    public static DeadLetterJson Wire => LazyWire.Value;

    private static readonly Lazy<DeadLetterJson> LazyWire = ReadableJson.Of(() => Default!, options => new DeadLetterJson(options));
}
