using System.CommandLine;
using OzFunctions.Cancelling;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Cli.Screens;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs cancel</c>: a durable wish; waiting runs end at once, others within seconds.</summary>
internal static class RunsCancelCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var ids = new Argument<string[]>("run-id") { Description = "Runs to cancel", Arity = ArgumentArity.ZeroOrMore };
        var all = new Option<bool>("--all") { Description = "Every run that is not over" };
        var worker = new Option<string?>("--worker", "--worker-id") { HelpName = "WORKER", Description = "With --all: only runs of this worker" };
        var reason = new Option<string?>("--reason") { HelpName = "TEXT", Description = "Kept with the run" };
        return new Command("cancel", "Cancel runs").With(ids, all, worker, reason).Does(surroundings, async (context, cancellationToken) =>
        {
            var named = context.Get(ids) ?? [];
            if (context.Get(all) == named.Length > 0)
            {
                throw CommandException.Usage("give the ids of the runs to cancel, or --all.");
            }

            if (context.Get(worker) is { } workerId && (context.Get(all) ? RunCancels.FindWorkerFault(workerId) : "goes with --all") is { } fault)
            {
                throw CommandException.Usage($"--worker: '{FaultValue.Shorten(workerId)}': {fault}");
            }

            await using var desk = context.OpenDesk();
            var answers = new List<(RunId RunId, CancelResult Result, RunState? State)>();
            if (context.Get(all))
            {
                answers.AddRange((await desk.CancelAllAsync(context.Get(worker), context.Get(reason), cancellationToken)).Select(run => (run.RunId, run.Result, (RunState?)run.State)));
            }

            foreach (var runId in await FindAsync(desk, named, cancellationToken))
            {
                var answer = await desk.CancelAsync(runId, context.Get(reason), cancellationToken);
                answers.Add((runId, answer.Result, answer.Run?.State));
            }

            Show(context.Screen, answers);
            return ExitCodes.Success;
        });
    }

    private static async Task<List<RunId>> FindAsync(IRunDesk desk, string[] named, CancellationToken cancellationToken)
    {
        // All are looked up before the first is cancelled: a slip in one changes nothing.
        var runs = new List<RunId>();
        foreach (var text in named)
        {
            runs.Add((await RunSearch.GetAsync(desk, text, cancellationToken)).RunId);
        }

        return runs;
    }

    private static void Show(Screen screen, IReadOnlyList<(RunId RunId, CancelResult Result, RunState? State)> answers)
    {
        if (screen.Json)
        {
            screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("runs");
                foreach (var (runId, result, state) in answers)
                {
                    json.WriteStartObject();
                    json.WriteString("run_id", runId.Value);
                    json.WriteString("result", System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(result.ToString()));
                    if (state is { } known)
                    {
                        json.WriteString("state", known.Text());
                    }

                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            });
            return;
        }

        if (answers.Count == 0)
        {
            screen.Note("Nothing to cancel.");
        }

        foreach (var (runId, result, state) in answers)
        {
            screen.Line($"{runId}  " + result switch
            {
                CancelResult.Cancelled => screen.Paint("cancelled", Style.Warning),
                CancelResult.Requested => screen.Paint("cancel requested", Style.Warning) + "; its host stops it within seconds",
                CancelResult.AlreadyFinished => $"already finished: {state?.Text()}",
                _ => "not found",
            });
        }
    }
}
