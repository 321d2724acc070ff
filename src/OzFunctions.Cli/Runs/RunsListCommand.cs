using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Json;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs list</c>: newest first, a page at a time.</summary>
internal static class RunsListCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var states = new Option<string[]>("--state") { HelpName = "STATE", Description = "Only runs in this state (repeat)" };
        states.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, [.. Enum.GetValues<RunState>().Select(state => state.Text())]);
        var worker = new Option<string?>("--worker", "--worker-id") { HelpName = "WORKER", Description = "Only runs of this worker" };
        var limit = new Option<int>("--limit") { HelpName = "N", Description = "Most runs to list", DefaultValueFactory = _ => 20 };
        limit.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && (!int.TryParse(result.Tokens[0].Value, out var most) || most is < 1 or > 1_000))
            {
                result.AddError($"--limit: '{result.Tokens[0].Value}': a number from 1 to 1000 is expected.");
            }
        });
        var cursor = new Option<string?>("--cursor") { HelpName = "CURSOR", Description = "Go on where an earlier list ended (next_cursor)" };
        return new Command("list", "List runs, newest first").With(states, worker, limit, cursor).Does(surroundings, async (context, cancellationToken) =>
        {
            var wanted = (context.Get(states) ?? []).Select(state => state.ToUpperInvariant()).ToHashSet();
            var name = context.Get(worker);
            ListCursor from = default;
            if (context.Get(cursor) is { } text && !ListCursor.TryParse(text, out from))
            {
                throw CommandException.Usage($"--cursor: '{text}': the next_cursor of an earlier list is expected.");
            }

            await using var desk = context.OpenDesk();
            var page = await desk.ListAsync(new(wanted, name), from, context.Get(limit), cancellationToken);
            Show(context, page);
            return ExitCodes.Success;
        });
    }

    private static void Show(CommandContext context, RunListPage page)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteStartArray("runs");
                foreach (var run in page.Runs)
                {
                    Write(json, run);
                }

                json.WriteEndArray();
                json.WriteStartObject("page_info");
                json.WriteBoolean("has_next_page", page.Next is not null);
                if (page.Next is { } next)
                {
                    json.WriteString("next_cursor", next.ToString());
                }

                json.WriteEndObject();
                json.WriteEndObject();
            });
            return;
        }

        if (page.Runs.Count == 0)
        {
            context.Screen.Note("No runs.");
            return;
        }

        var table = new Table("RUN", "STATE", "CREATED", "TITLE");
        foreach (var run in page.Runs)
        {
            table.Add(run.RunId.Value, new(run.State.Text(), PlainText.Style(run.State)), PlainText.Relative(run.CreatedAt, context.Now), run.Title ?? "");
        }

        table.Write(context.Screen);
        if (page.Next is { } more)
        {
            context.Screen.Note($"More: --cursor {more}", Style.Quiet);
        }
    }

    private static void Write(System.Text.Json.Utf8JsonWriter json, RunSummary run)
    {
        json.WriteStartObject();
        json.WriteString("run_id", run.RunId.Value);
        json.WriteString("state", run.State.Text());
        json.WriteString("worker_id", run.WorkerId);
        if (run.Title is { } title)
        {
            json.WriteString("title", title);
        }

        json.WriteString("trigger", run.Trigger);
        json.WriteString("created_at", TimeText.Format(run.CreatedAt));
        if (run.FinishedAt is { } finished)
        {
            json.WriteString("finished_at", TimeText.Format(finished));
        }

        json.WriteEndObject();
    }
}
