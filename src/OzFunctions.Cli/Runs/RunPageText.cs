using OzFunctions.Cli.Screens;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary>A run's record as a page for people.</summary>
internal static class RunPageText
{
    private const int LabelWidth = 12;
    private const int MostPrompt = 200;

    public static void Write(Screen screen, RunRecord run, DateTimeOffset now)
    {
        Row(screen, "Run", [screen.Paint(run.RunId.Value, Style.Strong)]);
        Row(screen, "State", [screen.Paint(run.State.Text(), PlainText.Style(run.State)) + Reason(run)]);
        Field(screen, "Message", run.Message);
        Field(screen, "Title", run.Title);
        Field(screen, "Prompt", run.Request.Prompt is { } prompt ? TextWidth.Cut(prompt.ReplaceLineEndings(" "), Math.Min(Room(screen), MostPrompt)) : null);
        Field(screen, "Worker", run.WorkerId);
        Field(screen, "Trigger", Trigger(run));
        Field(screen, "Retry of", run.RetryOf?.Value);
        Field(screen, "Created", PlainText.Time(run.CreatedAt, now));
        Field(screen, "Not before", run.Request.NotBefore is { } notBefore ? PlainText.Time(notBefore, now) : null);
        Field(screen, "Started", run.StartedAt is { } started ? PlainText.Time(started, now) : null);
        Field(screen, "Finished", run.FinishedAt is { } finished ? PlainText.Time(finished, now) : null);
        Field(screen, "Retry at", run.RetryAt is { } retryAt ? PlainText.Time(retryAt, now) : null);
        Field(screen, "Cancel", run.Cancel is { } cancel ? $"asked by {cancel.By} {PlainText.Relative(cancel.At, now)}{(cancel.Reason is null ? "" : ": " + cancel.Reason)}" : null);
        foreach (var attempt in run.Attempts)
        {
            Write(screen, attempt);
        }
    }

    private static void Write(Screen screen, AttemptRecord attempt)
    {
        screen.Line();
        Field(screen, $"Attempt {attempt.Attempt}", Outcome(attempt));
        Field(screen, "Host", attempt.Host);
        Field(screen, "Agent", attempt.AgentVersion);
        Field(screen, "Times", Times(attempt.Durations));
        Field(screen, "Used", Used(attempt));
        Field(screen, "Session", attempt.SessionUrl);
        Field(screen, "In Oz", attempt.OzRunUrl);
        foreach (var pullRequest in attempt.PullRequests ?? [])
        {
            Field(screen, "Pull request", pullRequest.Url + (pullRequest.Branch is null ? "" : $" ({pullRequest.Branch})"));
        }

        Field(screen, "Log", attempt.Log is { } log
            ? $"{PlainText.Count(log.Lines, "line")}, {PlainText.Bytes(log.Bytes)}{(log.CutBytes > 0 ? $", {PlainText.Bytes(log.CutBytes)} cut" : "")}{(log.Sealed ? "" : ", end may be missing")}"
            : null);
        Field(screen, "Artifacts", attempt.Artifacts is { } artifacts
            ? $"{PlainText.Count(artifacts.Count, "file")}, {PlainText.Bytes(artifacts.Bytes)}{(artifacts.LeftOut > 0 ? $", {artifacts.LeftOut} left out" : "")}"
            : null);
        Field(screen, "Teardown", attempt.Teardown is { } teardown ? (teardown.Ran ? $"exit {teardown.ExitCode?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "by signal"}" : "did not run") : null);
        foreach (var warning in attempt.Warnings ?? [])
        {
            Field(screen, "Warning", warning, Style.Warning);
        }
    }

    private static string Reason(RunRecord run) => (run.Reason, run.WaitingFor) switch
    {
        ({ } reason, _) => $" ({reason.Text()})",
        (_, { } waiting) => $" (waits for {System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(waiting.ToString())})",
        _ => "",
    };

    private static string Trigger(RunRecord run) =>
        string.Join(' ', new[] { run.Trigger.Kind.ToString().ToLowerInvariant(), run.Trigger.Name, run.Trigger.DeliveryId, run.AskedBy is null ? null : "by " + run.AskedBy }
            .Where(part => part is not null));

    private static string Outcome(AttemptRecord attempt)
    {
        var parts = new List<string> { attempt.State?.Text() ?? "not over" };
        if (attempt.Reason is { } reason)
        {
            parts.Add(reason.Text());
        }

        if (attempt.ExitCode is { } exitCode)
        {
            parts.Add($"exit {exitCode}");
        }

        if (attempt.Signal is { } signal)
        {
            parts.Add(signal);
        }

        if (attempt.StoppedBy is { } stoppedBy)
        {
            parts.Add("stopped by " + System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(stoppedBy.ToString()));
        }

        return string.Join(", ", parts);
    }

    private static string? Times(PhaseDurations? durations)
    {
        if (durations is null)
        {
            return null;
        }

        (string Name, TimeSpan? Time)[] phases =
        [
            ("queued", durations.Queued), ("setup", durations.Setup), ("agent", durations.Agent), ("artifacts", durations.Artifacts), ("teardown", durations.Teardown),
        ];
        return string.Join(", ", phases.Where(phase => phase.Time is not null).Select(phase => $"{phase.Name} {PlainText.Duration(phase.Time!.Value)}"));
    }

    private static string? Used(AttemptRecord attempt)
    {
        var parts = new List<string>();
        if (attempt.CpuSeconds is { } cpu)
        {
            parts.Add($"CPU {PlainText.Duration(TimeSpan.FromSeconds(cpu))}");
        }

        if (attempt.PeakMemoryBytes is { } memory)
        {
            parts.Add($"memory {PlainText.Bytes(memory)}");
        }

        return parts.Count == 0 ? null : string.Join(", ", parts);
    }

    private static void Field(Screen screen, string label, string? value, Style style = Style.Plain)
    {
        if (string.IsNullOrEmpty(value))
        {
            return;
        }

        var text = PlainText.OneLine(value);
        var room = Room(screen);
        Row(screen, label, (room == int.MaxValue ? [text] : TextWidth.Wrap(text, room)).Select(line => screen.Paint(line, style)));
    }

    private static int Room(Screen screen) => screen.Width == int.MaxValue ? int.MaxValue : Math.Max(screen.Width - LabelWidth - 2, 20);

    private static void Row(Screen screen, string label, IEnumerable<string> lines)
    {
        var head = screen.Paint(label.PadRight(LabelWidth), Style.Quiet) + "  ";
        foreach (var line in lines)
        {
            screen.Line(head + line);
            head = new string(' ', LabelWidth + 2);
        }
    }
}
