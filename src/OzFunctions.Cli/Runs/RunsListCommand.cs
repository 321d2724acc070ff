using System.CommandLine;
using System.Text;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Json;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary><c>ozf runs list</c>: newest first, a page at a time.</summary>
internal static class RunsListCommand
{
    private const int PageSize = 200;

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
            var from = context.Get(cursor) is { } text ? ListCursor.Parse(text) : default;
            await using var store = context.OpenStore();
            var page = await ListAsync(
                context,
                store.Core.Records,
                from,
                context.Get(limit),
                run => (wanted.Count == 0 || wanted.Contains(run.State.Text())) && (name is null || run.WorkerId == name),
                cancellationToken);
            Show(context, page);
            return ExitCodes.Success;
        });
    }

    /// <summary>Reads pages of the store until enough runs fit; one more than asked tells whether there is a next page.</summary>
    private static async Task<(IReadOnlyList<RunSummary> Runs, ListCursor? Next)> ListAsync(
        CommandContext context, RunRecords records, ListCursor from, int most, Func<RunSummary, bool> fits, CancellationToken cancellationToken)
    {
        var runs = new List<RunSummary>();
        var (continuation, last) = (from.Continuation, from.Last);
        while (true)
        {
            var page = await records.ListAsync(continuation, PageSize, unreadable => context.Screen.Warn(unreadable.Message), cancellationToken);
            foreach (var run in page.Runs)
            {
                if (last is { } seen && string.CompareOrdinal(RunBlobs.Record(run.RunId), RunBlobs.Record(seen)) <= 0 || !fits(run))
                {
                    continue;
                }

                if (runs.Count == most)
                {
                    return (runs, new(continuation, runs[^1].RunId));
                }

                runs.Add(run);
            }

            if (page.Continuation is null)
            {
                return (runs, null);
            }

            continuation = page.Continuation;
        }
    }

    private static void Show(CommandContext context, (IReadOnlyList<RunSummary> Runs, ListCursor? Next) page)
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

/// <summary>Where a list ended: the store's page, and the last run of it that was shown. New runs come before it and do not shift it.</summary>
internal readonly record struct ListCursor(string? Continuation, RunId? Last)
{
    public static ListCursor Parse(string text)
    {
        try
        {
            var parts = Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(text)).Split('\n', 2);
            if (parts.Length == 2 && RunId.TryParse(parts[0], out var last))
            {
                return new(parts[1].Length == 0 ? null : parts[1], last);
            }
        }
        catch (FormatException)
        {
            // Said below.
        }

        throw CommandException.Usage($"--cursor: '{text}': the next_cursor of an earlier list is expected.");
    }

    public override string ToString() => System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{Last}\n{Continuation}"));
}
