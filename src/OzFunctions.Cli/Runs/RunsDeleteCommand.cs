using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Requests;
using OzFunctions.Retention;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs delete</c>: forgets ended runs, with their logs, artifacts and idempotency keys. Asks nothing, says what it removed.</summary>
internal static class RunsDeleteCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var ids = new Argument<string[]>("run-id") { Description = "Ended runs to forget", Arity = ArgumentArity.ZeroOrMore };
        var olderThan = new Option<string?>("--older-than") { HelpName = "TIME", Description = "Every run that ended longer ago, such as 30d" };
        return new Command("delete", "Forget ended runs, with logs, artifacts and idempotency keys").With(ids, olderThan).Does(surroundings, async (context, cancellationToken) =>
        {
            var named = context.Get(ids) ?? [];
            if (context.Has(olderThan) == named.Length > 0)
            {
                throw CommandException.Usage("give the ids of the runs to forget, or --older-than TIME.");
            }

            var age = TimeSpan.Zero;
            if (context.Get(olderThan) is { } text && !DurationText.TryParse(text, out age))
            {
                throw CommandException.Usage($"--older-than: '{text}' {DurationText.Rule}.");
            }

            await using var store = context.OpenStore();
            var answers = new List<(RunId RunId, RemovalAnswer Answer)>();
            if (named.Length > 0)
            {
                // All are looked up before the first is removed: a slip in one changes nothing.
                foreach (var runId in await RunSearch.FindAllAsync(store.Core, named, cancellationToken))
                {
                    answers.Add((runId, await store.Core.Removal.RemoveAsync(runId, cancellationToken)));
                }
            }
            else
            {
                await foreach (var runId in store.Core.OldRuns.FindAsync(context.Now - age, broken => context.Screen.Warn(broken.Message), cancellationToken))
                {
                    answers.Add((runId, await store.Core.Removal.RemoveAsync(runId, cancellationToken)));
                }
            }

            Show(context.Screen, answers);

            // Who names a run wants that one gone; who names an age wants what can go.
            return named.Length > 0 && answers.Exists(answer => answer.Answer.Result is not (RemovalResult.Removed or RemovalResult.NotFound)) ? ExitCodes.Failed : ExitCodes.Success;
        });
    }

    private static void Show(Screen screen, List<(RunId RunId, RemovalAnswer Answer)> answers)
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

                    if (answer.Result == RemovalResult.Removed)
                    {
                        json.WriteNumber("files", answer.Files);
                        json.WriteNumber("bytes", answer.Bytes);
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
            screen.Note("Nothing to delete.");
        }

        foreach (var (runId, answer) in answers)
        {
            screen.Line($"{runId}  " + answer.Result switch
            {
                RemovalResult.Removed => screen.Paint("deleted", Style.Warning) + $" ({answer.Run!.State.Text()}, {PlainText.Count(answer.Files, "file")}, {PlainText.Bytes(answer.Bytes)})",
                RemovalResult.NotOver => $"kept: it is {answer.Run!.State.Text()}; 'ozf runs cancel {runId}' ends it first",
                RemovalResult.Owed => "kept: its completion event is still owed, or its host still cleans up; try again in a minute; 'ozf events deliveries' says what is open",
                RemovalResult.KeyTooYoung => $"kept: its idempotency key answers repeats for another {PlainText.Duration(answer.Wait)}; delete it then",
                _ => "not found",
            });
        }
    }
}
