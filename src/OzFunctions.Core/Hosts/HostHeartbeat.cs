using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Json;
using OzFunctions.Runs;

namespace OzFunctions.Hosts;

/// <summary>Content of <c>hosts/&lt;host_id&gt;.json</c>, rewritten every 30 seconds (L1).</summary>
public sealed record HostHeartbeat
{
    public required string HostId { get; init; }

    public required string WorkerId { get; init; }

    /// <summary>Machine name.</summary>
    public required string Machine { get; init; }

    public required string Version { get; init; }

    /// <summary>How many runs it takes side by side; 0: no limit.</summary>
    public required int Slots { get; init; }

    /// <summary>Runs from C5 to S7.</summary>
    public required IReadOnlyList<RunId> Running { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Its lease: others wait at least this long before they take over.</summary>
    public required TimeSpan Lease { get; init; }

    /// <summary>Why it takes no runs now; null: it does.</summary>
    public string? NotReady { get; init; }

    /// <summary>True: the process of one <c>ozf exec</c>, which takes no other run; null: a worker's.</summary>
    public bool? Tied { get; init; }

    /// <summary>Number of this heartbeat, so that the host knows its own last write.</summary>
    public required long Beat { get; init; }

    internal static string NameOf(string hostId) => $"hosts/{hostId}.json";

    internal static HostHeartbeat? TryRead(ReadOnlyMemory<byte> content)
    {
        try
        {
            return JsonSerializer.Deserialize(content.Span, HostJson.Default.HostHeartbeat);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    internal byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this, HostJson.Default.HostHeartbeat);
}

/// <summary>Content of <c>signals/&lt;host_id&gt;.json</c>.</summary>
internal sealed record HostSignal(IReadOnlyList<RunId> Cancel);

/// <summary>Content of <c>control.json</c>.</summary>
internal sealed record WorkerControlBlob(IReadOnlyList<string> Paused, IReadOnlyDictionary<string, IReadOnlyList<string>>? Publishers = null);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(UtcTimeConverter), typeof(SecondsConverter)])]
[JsonSerializable(typeof(HostHeartbeat))]
[JsonSerializable(typeof(HostSignal))]
[JsonSerializable(typeof(WorkerControlBlob))]
internal sealed partial class HostJson : JsonSerializerContext;
