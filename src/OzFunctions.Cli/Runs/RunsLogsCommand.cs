using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Following;
using OzFunctions.Cli.Screens;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs logs</c>: the agent's own text form of its output, or the lines as stored.</summary>
internal static class RunsLogsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var id = new Argument<string>("run-id") { Description = "The run" };
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until the run is over" };
        var raw = new Option<bool>("--raw") { Description = "NDJSON as stored (also --output json)" };
        var attempt = new Option<int?>("--attempt") { HelpName = "N", Description = "Only this attempt [default: all]" };
        return new Command("logs", "Show a run's log").With(id, follow, raw, attempt).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenDesk();
            var run = await RunSearch.GetAsync(desk, context.Get(id)!, cancellationToken);
            var wanted = context.Get(attempt);
            Check(run, wanted, context.Get(follow));

            var printer = new LogPrinter(context.Screen.Out);
            var log = desk.ReadLogAsync(run.RunId, wanted, context.Get(follow), cancellationToken);
            if (context.Get(raw) || context.Screen.Json)
            {
                await printer.PrintRawAsync(log, cancellationToken);
                return ExitCodes.Success;
            }

            var several = wanted is null && run.Attempt > 1;
            await printer.PrintTextAsync(
                log,
                context.Screen.HasColours,
                begun =>
                {
                    if (several || begun > 1)
                    {
                        context.Screen.Note($"Attempt {begun}", Style.Quiet);
                    }
                });
            if (run.Attempt == 0 && !context.Get(follow))
            {
                context.Screen.Note($"No log yet: the run is {run.State.Text()}.");
            }

            return ExitCodes.Success;
        });
    }

    private static void Check(RunRecord run, int? wanted, bool follow)
    {
        if (wanted is { } attempt && (attempt < 1 || (attempt > run.Attempt && (!follow || run.State.IsTerminal()))))
        {
            throw CommandException.Usage($"--attempt: '{attempt}': run {run.RunId} has had {PlainText.Count(run.Attempt, "attempt")}.");
        }
    }
}
