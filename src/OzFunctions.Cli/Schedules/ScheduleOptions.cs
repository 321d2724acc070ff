using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Requests;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.Schedules;

/// <summary>The flags that make a schedule's definition, beside those of its request.</summary>
internal sealed class ScheduleOptions
{
    public Option<string?> Cron { get; } = new("--cron") { HelpName = "EXPR", Description = "Five fields such as '0 6 * * 1-5', or @hourly, @daily, …" };

    public Option<string?> TimeZone { get; } = new("--time-zone") { HelpName = "ZONE", Description = "Time zone of its times, such as Europe/Berlin [default: UTC]" };

    public Option<string?> Overlap { get; } = Word("--overlap", "skip|queue|allow", "When a run of it is still alive [default: skip]", "skip", "queue", "allow");

    public Option<string?> Missed { get; } = Word("--missed", "skip|one|all", "Times that passed while no host ran [default: one]", "skip", "one", "all");

    public Option<string?> MissedWindow { get; } = new("--missed-window") { HelpName = "DUR", Description = "Missed times older than this are left out [default: 1d]" };

    public IReadOnlyList<Option> All => [Cron, TimeZone, Overlap, Missed, MissedWindow];

    /// <summary>Lays the flags over a definition.</summary>
    public ScheduleDefinition Apply(ScheduleDefinition under, CommandContext context) => under with
    {
        Cron = context.Get(Cron) ?? under.Cron,
        TimeZone = context.Get(TimeZone) ?? under.TimeZone,
        Overlap = context.Get(Overlap) is { } overlap ? Enum.Parse<ScheduleOverlap>(overlap, ignoreCase: true) : under.Overlap,
        Missed = context.Get(Missed) is { } missed ? Enum.Parse<MissedRuns>(missed, ignoreCase: true) : under.Missed,
        MissedWindow = context.Get(MissedWindow) is { } window ? Duration(window) : under.MissedWindow,
    };

    private static TimeSpan Duration(string text) =>
        DurationText.TryParse(text, out var duration) ? duration : throw CommandException.Usage($"--missed-window: '{text}': {DurationText.Rule}");

    private static Option<string?> Word(string name, string help, string description, params string[] words)
    {
        var option = new Option<string?>(name) { HelpName = help, Description = description };
        option.AcceptOnlyFromAmong(words);
        return option;
    }
}
