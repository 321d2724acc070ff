using System.CommandLine;
using System.Text.Json;
using OzFunctions.Blobs;
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

            var outcomes = new List<Outcome>();

            // Those that are named are all looked up before the first is removed: a slip in one changes nothing.
            var chosen = named.Length > 0
                ? (await RunSearch.FindAllAsync(store.Core, named, cancellationToken)).ToAsyncEnumerable()
                : store.Core.OldRuns.FindAsync(context.Now - age, broken => outcomes.Add(new(broken.RunId, Answer: null, broken.Message)), cancellationToken);
            try
            {
                await foreach (var runId in chosen)
                {
                    outcomes.Add(await RemoveAsync(store.Core, runId, cancellationToken));
                }
            }
            catch (Exception) when (outcomes.Count > 0)
            {
                // The store went away, or Ctrl-C came: what was removed before is gone all the same.
                Show(context.Screen, outcomes);
                throw;
            }

            Show(context.Screen, outcomes);

            // Who names a run wants that one gone; who names an age wants what can go, and to know of what never will.
            return outcomes.Exists(outcome => outcome.Answer is null || (named.Length > 0 && outcome.Answer.Result is not (RemovalResult.Removed or RemovalResult.NotFound)))
                ? ExitCodes.Failed
                : ExitCodes.Success;
        });
    }

    /// <summary>A record that cannot be read, or a blob that a hold or a lease keeps, keeps none of the other runs. An outage ends the command.</summary>
    private static async Task<Outcome> RemoveAsync(OzCore core, RunId runId, CancellationToken cancellationToken)
    {
        try
        {
            return new(runId, await core.Removal.RemoveAsync(runId, cancellationToken), Refusal: null);
        }
        catch (Exception ex) when (ex is UnreadableRecordException or BlobStoreException { IsOutage: false })
        {
            return new(runId, Answer: null, ex.Message);
        }
    }

    private static void Show(Screen screen, List<Outcome> outcomes)
    {
        if (screen.Json)
        {
            screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("runs");
                outcomes.ForEach(outcome => Write(json, outcome));
                json.WriteEndArray();
                json.WriteEndObject();
            });
            return;
        }

        if (outcomes.Count == 0)
        {
            screen.Note("Nothing to delete.");
        }

        foreach (var (runId, answer, refusal) in outcomes)
        {
            screen.Line($"{runId}  " + answer switch
            {
                null => screen.Paint("not deleted", Style.Bad) + $": {PlainText.OneLine(refusal ?? "")}",
                { Result: RemovalResult.Removed } => screen.Paint("deleted", Style.Warning) + $" ({answer.Run!.State.Text()}, {PlainText.Count(answer.Files, "file")}, {PlainText.Bytes(answer.Bytes)})",
                { Result: RemovalResult.NotOver } => $"kept: it is {answer.Run!.State.Text()}; 'ozf runs cancel {runId}' ends it first",
                { Result: RemovalResult.Owed } => "kept: its completion event is still owed, or its host still cleans up; try again in a minute; 'ozf events deliveries' says what is open",
                { Result: RemovalResult.KeyTooYoung } => $"kept: its idempotency key answers repeats for another {PlainText.Duration(answer.Wait)}; delete it then",
                _ => "not found",
            });
        }
    }

    private static void Write(Utf8JsonWriter json, Outcome outcome)
    {
        json.WriteStartObject();
        json.WriteString("run_id", outcome.RunId.Value);
        if (outcome.Answer is not { } answer)
        {
            json.WriteString("result", "refused");
            json.WriteString("message", outcome.Refusal);
            json.WriteEndObject();
            return;
        }

        json.WriteString("result", JsonNamingPolicy.SnakeCaseLower.ConvertName(answer.Result.ToString()));
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

    /// <param name="Answer">Null: it could not be removed.</param>
    /// <param name="Refusal">Why, in that case.</param>
    private sealed record Outcome(RunId RunId, RemovalAnswer? Answer, string? Refusal);
}
