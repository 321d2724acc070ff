using System.Runtime.InteropServices;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Cli.Screens;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Following;

/// <summary>Waits for a run: shows its log as it comes and answers the exit code that stands for its end. Leaving never touches the run.</summary>
internal static class RunFollower
{
    public static async Task<int> FollowAsync(CommandContext context, IRunDesk desk, RunId runId, TimeSpan? atMost, CancellationToken cancellationToken)
    {
        var screen = context.Screen;
        using var deadline = atMost is { } time ? new CancellationTokenSource(time, context.Time) : new CancellationTokenSource();
        using var leave = new CancellationTokenSource();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, leave.Token, cancellationToken);
        void Leave(PosixSignalContext signal)
        {
            // The second one ends this process the usual way.
            signal.Cancel = !leave.IsCancellationRequested;
            leave.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Leave);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Leave);

        // Programs get data on stdout and nothing else.
        var printer = new LogPrinter(screen.Json ? context.Surroundings.Error : screen.Out);
        try
        {
            await printer.PrintTextAsync(
                desk.ReadLogAsync(runId, attempt: null, follow: true, either.Token),
                screen.HasColours && !screen.Json,
                attempt => Announce(screen, attempt));
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            screen.Note($"{(leave.IsCancellationRequested ? "Left" : "Waited long enough")}; the run goes on: {context.Ozf($"runs logs -f {runId}")}, or {context.Ozf($"runs cancel {runId}")}");
            return ExitCodes.WaitEnded;
        }

        var run = await desk.FindAsync(runId, cancellationToken) ?? throw CommandException.Unavailable($"the record of run {runId} is gone from {desk.Place}.");
        screen.Note(Summary(run), PlainText.Style(run.State));
        return RunExit.CodeOf(run);
    }

    /// <summary>One line on how a run ended.</summary>
    public static string Summary(RunRecord run)
    {
        var took = run.FinishedAt is { } finished ? $" after {PlainText.Duration(finished - (run.StartedAt ?? run.CreatedAt))}" : "";
        var message = run.State != RunState.Succeeded && run.Message is { } text ? ": " + PlainText.OneLine(text) : "";
        return $"{run.State.Text()} ({run.Reason?.Text()}){took}{message}";
    }

    private static void Announce(Screen screen, int attempt)
    {
        if (attempt > 1)
        {
            screen.Note($"Attempt {attempt}", Style.Quiet);
        }
    }
}
