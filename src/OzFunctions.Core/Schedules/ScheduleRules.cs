using System.Text.RegularExpressions;
using OzFunctions.Requests;

namespace OzFunctions.Schedules;

/// <summary>The rules of a schedule, for configuration, API and command line.</summary>
public static partial class ScheduleRules
{
    public static readonly TimeSpan LeastMissedWindow = TimeSpan.FromMinutes(1);

    public static readonly TimeSpan MostMissedWindow = TimeSpan.FromDays(31);

    private const int LongestTitle = 200;

    public static string? FindNameFault(string name) =>
        Name().IsMatch(name) ? null : "must have lower-case letters, digits and '-', begin with a letter or digit, and be at most 63 long";

    public static string? FindCronFault(string cron) => CronExpression.TryParse(cron, out _, out var fault) ? null : fault;

    public static string? FindTimeZoneFault(string timeZone) => TimeZoneInfo.TryFindSystemTimeZoneById(timeZone, out _)
        ? null
        : "is not a time zone of this machine; write UTC or a name such as Europe/Berlin";

    /// <summary>Fields of a run request that make no sense for many runs; the path below <c>request</c> with its rule.</summary>
    public static IEnumerable<(string Field, string Rule)> FindRequestFaults(RunRequest request)
    {
        if (request.IdempotencyKey is not null)
        {
            yield return ("idempotency_key", "a schedule starts many runs: each has a key of its own, schedule and time; leave it out");
        }

        if (request.NotBefore is not null)
        {
            yield return ("not_before", "a schedule starts its runs by cron; leave it out");
        }

        if (request.ExpiresAt is not null)
        {
            yield return ("expires_at", "would end every run after that time; leave it out (limits.queue_ttl ends runs that wait too long)");
        }
    }

    /// <summary>Every fault of a name and a definition.</summary>
    public static IReadOnlyList<RequestFault> Check(string name, ScheduleDefinition definition)
    {
        var faults = new List<RequestFault>();
        Add("name", name, FindNameFault(name));
        Add("cron", definition.Cron, FindCronFault(definition.Cron));
        Add("time_zone", definition.TimeZone, FindTimeZoneFault(definition.TimeZone));
        if (definition.MissedWindow < LeastMissedWindow || definition.MissedWindow > MostMissedWindow)
        {
            Add("missed_window", DurationText.Format(definition.MissedWindow), $"must be from {DurationText.Format(LeastMissedWindow)} to {DurationText.Format(MostMissedWindow)}");
        }

        if (definition.Title is { } title && (title.Length > LongestTitle || title.Any(char.IsControl)))
        {
            Add("title", title, $"must be at most {LongestTitle} characters without control characters");
        }

        faults.AddRange(RunRequestChecks.Check(definition.Request).Select(fault => fault with { Path = fault.Path.Length == 0 ? "request" : "request." + fault.Path }));
        foreach (var (field, rule) in FindRequestFaults(definition.Request))
        {
            Add("request." + field, null, rule);
        }

        return faults;

        void Add(string path, string? value, string? rule)
        {
            if (rule is not null)
            {
                faults.Add(new(path, value is null ? null : FaultValue.Shorten(value), rule));
            }
        }
    }

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9-]{0,62}\z")]
    private static partial Regex Name();
}
