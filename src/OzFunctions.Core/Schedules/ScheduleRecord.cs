using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Json;
using OzFunctions.Runs;

namespace OzFunctions.Schedules;

/// <summary>Content of <c>schedules/&lt;name&gt;.json</c>: the definition, and how far the schedule has come. Written only on condition of its ETag.</summary>
public sealed record ScheduleRecord
{
    public const int CurrentSchema = 1;

    public int Schema { get; init; } = CurrentSchema;

    public required string Name { get; init; }

    public required ScheduleSource Source { get; init; }

    public required ScheduleDefinition Definition { get; init; }

    /// <summary>By a person, whatever the definition says. Kept when the definition changes.</summary>
    public bool Paused { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public string? CreatedBy { get; init; }

    public required DateTimeOffset UpdatedAt { get; init; }

    public string? UpdatedBy { get; init; }

    /// <summary>Times up to here are none of this schedule: it did not exist, or had other times.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>Times up to here are none of it either: it was paused.</summary>
    public DateTimeOffset? ResumedAt { get; init; }

    /// <summary>Times up to here are decided: started, or left out.</summary>
    public DateTimeOffset? Decided { get; init; }

    /// <summary>Decided to be started; their runs may be there already (their keys tell).</summary>
    public IReadOnlyList<DateTimeOffset> Pending { get; init; } = [];

    public ScheduledRun? LastRun { get; init; }

    public SkippedRun? LastSkipped { get; init; }

    /// <summary>Why the last start did not succeed; gone with the next that does.</summary>
    public ScheduleError? LastError { get; init; }

    /// <summary>Times after this one are still to be decided.</summary>
    [JsonIgnore]
    public DateTimeOffset From => Later(Later(Since, ResumedAt), Decided);

    [JsonIgnore]
    public bool IsActive => Definition.Enabled && !Paused;

    /// <summary>When it comes due next; null while it is paused or off. May lie in the past: it is due.</summary>
    public DateTimeOffset? FindNext() =>
        IsActive && CronExpression.TryParse(Definition.Cron, out var cron, out _) && TimeZoneInfo.TryFindSystemTimeZoneById(Definition.TimeZone, out var zone)
            ? cron.FindNext(From, zone)
            : null;

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset? other) => other > one ? other.Value : one;
}

/// <summary>Where the definition comes from, and so who may change it.</summary>
[JsonConverter(typeof(ScheduleSourceConverter))]
public enum ScheduleSource
{
    /// <summary>The configuration; read-only elsewhere.</summary>
    File,

    /// <summary>The API or the command line.</summary>
    Api,
}

internal sealed class ScheduleSourceConverter() : JsonStringEnumConverter<ScheduleSource>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

/// <summary>Whether a schedule starts runs. Wire format: snake case, appended to only.</summary>
[JsonConverter(typeof(ScheduleStateConverter))]
public enum ScheduleState
{
    Active,

    /// <summary>By a person.</summary>
    Paused,

    /// <summary>By its definition in the configuration.</summary>
    Off,

    /// <summary>It came from a configuration, and the one here holds it no more: nothing starts it here.</summary>
    NotConfigured,
}

internal sealed class ScheduleStateConverter() : JsonStringEnumConverter<ScheduleState>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

/// <summary>The latest run of a schedule.</summary>
/// <param name="Instant">The time it was scheduled for; null: somebody asked for it.</param>
public sealed record ScheduledRun(RunId RunId, DateTimeOffset At, DateTimeOffset? Instant = null);

/// <summary>The latest times that were left out, and why.</summary>
/// <param name="Instant">The latest of them.</param>
public sealed record SkippedRun(DateTimeOffset At, DateTimeOffset Instant, int Count, string Reason);

public sealed record ScheduleError(DateTimeOffset At, string Message);

/// <summary>A schedule as it was read.</summary>
public sealed record StoredSchedule(ScheduleRecord Record, Blobs.ETag ETag);

/// <summary>The wire format of schedules.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    Converters = [typeof(UtcTimeConverter), typeof(SecondsConverter)])]
[JsonSerializable(typeof(ScheduleRecord))]
[JsonSerializable(typeof(ScheduleDefinition))]
[JsonSerializable(typeof(ScheduleState))]
public sealed partial class ScheduleJson : JsonSerializerContext
{
    /// <summary>The context to use: as generated, but leaves non-ASCII text readable.</summary>
    public static ScheduleJson Wire => LazyWire.Value;

    private static readonly Lazy<ScheduleJson> LazyWire = ReadableJson.Of(() => Default!, options => new ScheduleJson(options));
}
