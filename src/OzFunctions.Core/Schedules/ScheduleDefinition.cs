using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Requests;

namespace OzFunctions.Schedules;

/// <summary>What was asked for: a run request at the times of a clock.</summary>
public sealed record ScheduleDefinition
{
    public static readonly TimeSpan DefaultMissedWindow = TimeSpan.FromDays(1);

    /// <summary>What people call it, where that is more than the schedule's name.</summary>
    public string? Title { get; init; }

    /// <summary>Five fields, or <c>@daily</c> and its like (<see cref="CronExpression"/>).</summary>
    public required string Cron { get; init; }

    /// <summary>IANA name. Default: UTC.</summary>
    public string TimeZone { get; init; } = "UTC";

    /// <summary>False: nothing is started until the definition says otherwise. Default: true.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>When a run of this schedule is still alive. Default: skip.</summary>
    public ScheduleOverlap Overlap { get; init; } = ScheduleOverlap.Skip;

    /// <summary>Times that passed while nobody ticked. Default: one.</summary>
    public MissedRuns Missed { get; init; } = MissedRuns.One;

    /// <summary>Missed times older than this are left out, whatever <see cref="Missed"/> says. 1 minute to 31 days, default 1 day.</summary>
    [JsonConverter(typeof(DurationTextConverter))]
    public TimeSpan MissedWindow { get; init; } = DefaultMissedWindow;

    public required RunRequest Request { get; init; }
}

/// <summary>A schedule of the configuration.</summary>
public sealed record ConfiguredSchedule(string Name, ScheduleDefinition Definition);

/// <summary>What happens to a start that comes due while a run of the schedule is alive.</summary>
[JsonConverter(typeof(ScheduleOverlapConverter))]
public enum ScheduleOverlap
{
    /// <summary>It is left out.</summary>
    Skip,

    /// <summary>Its run waits for the one before.</summary>
    Queue,

    /// <summary>It is started beside the other.</summary>
    Allow,
}

internal sealed class ScheduleOverlapConverter() : JsonStringEnumConverter<ScheduleOverlap>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

/// <summary>Which of the times that passed while nobody ticked are made up for.</summary>
[JsonConverter(typeof(MissedRunsConverter))]
public enum MissedRuns
{
    /// <summary>None.</summary>
    Skip,

    /// <summary>The latest.</summary>
    One,

    /// <summary>All, but at most the latest 100.</summary>
    All,
}

internal sealed class MissedRunsConverter() : JsonStringEnumConverter<MissedRuns>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);
