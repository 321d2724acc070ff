using System.Globalization;
using OzFunctions.Json;

namespace OzFunctions.Schedules;

/// <summary>What is to be done about the times of one schedule that came due.</summary>
/// <param name="Start">Oldest first.</param>
/// <param name="Decided">Times up to here are decided with it.</param>
internal sealed record DueTimes(IReadOnlyList<DateTimeOffset> Start, DateTimeOffset Decided, SkippedRun? Skipped)
{
    /// <summary>Most times that <see cref="MissedRuns.All"/> makes up for at once.</summary>
    public const int Most = 100;

    /// <summary>A time that is looked at this late is on time still: ticks come every 10 to 30 s, and an outage of the store delays them.</summary>
    public static readonly TimeSpan OnTime = TimeSpan.FromMinutes(5);

    /// <summary>Null: nothing is due.</summary>
    /// <param name="alive">Whether a run of the schedule is alive.</param>
    public static DueTimes? Find(ScheduleRecord schedule, CronExpression cron, TimeZoneInfo zone, bool alive, DateTimeOffset now)
    {
        var definition = schedule.Definition;
        if (cron.FindNext(schedule.From, zone) is not { } first || first > now)
        {
            return null;
        }

        var window = definition.Missed == MissedRuns.Skip || definition.MissedWindow < OnTime ? OnTime : definition.MissedWindow;
        var from = now - window > schedule.From ? now - window : schedule.From;
        var due = new Queue<DateTimeOffset>();
        var left = first <= from ? 1 : 0;
        var latest = first;
        foreach (var time in cron.Between(from, now, zone))
        {
            latest = time;
            due.Enqueue(time);
            if (due.Count > (definition.Missed == MissedRuns.All ? Most : 1))
            {
                due.Dequeue();
                left++;
            }
        }

        if (alive && definition.Overlap == ScheduleOverlap.Skip && due.Count > 0)
        {
            return new([], latest, new(now, latest, due.Count + left, "overlap: a run of this schedule was still alive"));
        }

        // Too old for the window, and how many there were nobody counted: from 'first' on.
        var skipped = left == 0 ? null : new SkippedRun(now, due.Count > 0 ? first : latest, left, Missed(first, definition));
        return new([.. due], due.Count > 0 ? latest : now, skipped);
    }

    private static string Missed(DateTimeOffset first, ScheduleDefinition definition) => string.Create(
        CultureInfo.InvariantCulture,
        $"missed: from {TimeText.Format(first)} on nobody ticked (missed: {definition.Missed.ToString().ToLowerInvariant()}, missed_window: {Requests.DurationText.Format(definition.MissedWindow)})");
}
