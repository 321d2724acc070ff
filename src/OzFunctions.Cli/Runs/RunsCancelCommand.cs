using System.CommandLine;
using OzFunctions.Cancelling;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
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

            await using var store = context.OpenStore();
            var by = context.Surroundings.Variable("USER") is { } user ? $"{user} (ozf)" : "ozf";
            var answers = new List<(RunId RunId, CancelAnswer Answer)>();
            if (context.Get(all))
            {
                var cancelled = await store.Core.Cancels.CancelAllAsync(context.Get(worker), by, context.Get(reason), broken => context.Screen.Warn(broken.Message), cancellationToken);
                answers.AddRange(cancelled.Select(answer => (answer.Run!.RunId, answer)));
            }

            // All are looked up before the first is cancelled: a slip in one changes nothing.
            foreach (var runId in await RunSearch.FindAllAsync(store.Core, named, cancellationToken))
            {
                answers.Add((runId, await store.Core.Cancels.CancelAsync(runId, by, context.Get(reason), cancellationToken)));
            }

            Show(context.Screen, answers);
            return ExitCodes.Success;
        });
    }

    private static void Show(Screen screen, IReadOnlyList<(RunId RunId, CancelAnswer Answer)> answers)
    {
        if (screen.Json)
        {
            screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("runs");
                foreach (var (runId, answer) in answers)
                {
                    json.WriteStartObject();
                    json.WriteString("run_id", runId.Value);
                    json.WriteString("result", System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(answer.Result.ToString()));
                    if (answer.Run is { } run)
                    {
                        json.WriteString("state", run.State.Text());
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

        foreach (var (runId, answer) in answers)
        {
            screen.Line($"{runId}  " + answer.Result switch
            {
                CancelResult.Cancelled => screen.Paint("cancelled", Style.Warning),
                CancelResult.Requested => screen.Paint("cancel requested", Style.Warning) + "; its host stops it within seconds",
                CancelResult.AlreadyFinished => $"already finished: {answer.Run!.State.Text()}",
                _ => "not found",
            });
        }
    }
}
