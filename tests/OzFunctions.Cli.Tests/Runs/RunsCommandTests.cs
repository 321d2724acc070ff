using System.Text;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Tests.Runs;

public sealed class RunsCommandTests : IDisposable
{
    private readonly OzfRig _ozf = new();

    public void Dispose() => _ozf.Dispose();

    [Fact]
    public async Task A_list_goes_on_where_its_cursor_says_and_new_runs_do_not_shift_it()
    {
        var ids = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            ids.Insert(0, await SubmitAsync($"run {i}"));
        }

        var first = await ListAsync("--limit", "2");
        await SubmitAsync("later");
        var second = await ListAsync("--limit", "2", "--cursor", first.Cursor!);
        var third = await ListAsync("--limit", "2", "--cursor", second.Cursor!);

        Assert.Equal(ids, [.. first.Ids, .. second.Ids, .. third.Ids]);
        Assert.Null(third.Cursor);
    }

    [Fact]
    public async Task A_list_shows_only_what_was_asked_for()
    {
        var cancelled = await SubmitAsync("a");
        var elsewhere = await SubmitAsync("b", "--host", "other");
        var waiting = await SubmitAsync("c");
        (await _ozf.RunAsync("runs", "cancel", cancelled)).Ends(ExitCodes.Success);

        Assert.Equal([cancelled], (await ListAsync("--state", "cancelled")).Ids);
        Assert.Equal([elsewhere], (await ListAsync("--worker", "other")).Ids);
        Assert.Equal([waiting], (await ListAsync("--state", "QUEUED", "--worker", "local")).Ids);
    }

    [Fact]
    public async Task A_listed_run_is_this_json()
    {
        var id = await SubmitAsync("a", "--title", "Ünï");

        var run = (await _ozf.RunAsync("runs", "list", "--output", "json")).Json.GetProperty("runs")[0];

        Assert.Equal(["run_id", "state", "worker_id", "title", "trigger", "created_at"], run.EnumerateObject().Select(field => field.Name));
        Assert.Equal((id, "QUEUED", "Ünï", "cli"), (run.GetProperty("run_id").GetString(), run.GetProperty("state").GetString(), run.GetProperty("title").GetString(), run.GetProperty("trigger").GetString()));
    }

    [Fact]
    public async Task Get_prints_the_record_exactly_as_stored()
    {
        var id = await SubmitAsync("a");
        string stored;
        await using (var store = _ozf.Open())
        {
            // A field of a later version stays.
            var name = RunBlobs.Record(RunId.Parse(id));
            var blob = (await store.Core.Ports.Blobs.FindAsync(name, TestContext.Current.CancellationToken))!;
            stored = Encoding.UTF8.GetString(blob.Content.Span).Replace("{\"schema\":1,", "{\"schema\":1,\"from_the_future\":{\"x\":1},", StringComparison.Ordinal);
            Assert.NotNull(await store.Core.Ports.Blobs.TryReplaceAsync(name, Encoding.UTF8.GetBytes(stored), null, blob.ETag, TestContext.Current.CancellationToken));
        }

        var answer = (await _ozf.RunAsync("runs", "get", id, "--output", "json")).Ends(ExitCodes.Success);

        Assert.Equal(stored, JsonSerializer.Serialize(answer.Json, new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
        Assert.Contains("\n  \"state\": \"QUEUED\"", answer.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_is_found_by_the_end_of_its_id()
    {
        var id = await SubmitAsync("a");

        Assert.Equal(id, (await _ozf.RunAsync("runs", "get", id[^9..], "--output", "json")).Json.GetProperty("run_id").GetString());
        Assert.Contains("at least 8", (await _ozf.RunAsync("runs", "get", id[^5..])).Ends(ExitCodes.Usage).Error, StringComparison.Ordinal);
        Assert.Contains("no run's id", (await _ozf.RunAsync("runs", "get", "00000000-0000")).Ends(ExitCodes.Usage).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_beginning_that_fits_several_runs_is_refused_with_their_ids()
    {
        var (first, second) = (await SubmitAsync("a"), await SubmitAsync("b"));

        // The first 8 characters are the time to 65 seconds: the two may stand on both sides of a border, and a third then behind it.
        while (first[..8] != second[..8])
        {
            (first, second) = (second, await SubmitAsync("c"));
        }

        var answer = (await _ozf.RunAsync("runs", "get", first[..8])).Ends(ExitCodes.Usage);

        Assert.Contains(first, answer.Error, StringComparison.Ordinal);
        Assert.Contains(second, answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_waiting_run_is_cancelled_at_once_and_a_finished_one_says_so()
    {
        var id = await SubmitAsync("a");

        var first = (await _ozf.RunAsync("runs", "cancel", id, "--reason", "changed my mind", "--output", "json")).Ends(ExitCodes.Success);
        var second = (await _ozf.RunAsync("runs", "cancel", id, "--output", "json")).Ends(ExitCodes.Success);

        Assert.Equal($$"""{"runs":[{"run_id":"{{id}}","result":"cancelled","state":"CANCELLED"}]}""", first.Line);
        Assert.Equal($$"""{"runs":[{"run_id":"{{id}}","result":"already_finished","state":"CANCELLED"}]}""", second.Line);
        var record = (await _ozf.RunAsync("runs", "get", id, "--output", "json")).Json;
        Assert.Equal(("task_cancelled", "changed my mind"), (record.GetProperty("reason").GetString(), record.GetProperty("cancel").GetProperty("reason").GetString()));
    }

    [Fact]
    public async Task Cancel_all_takes_every_run_that_is_not_over()
    {
        var (one, two) = (await SubmitAsync("a"), await SubmitAsync("b"));
        (await _ozf.RunAsync("runs", "cancel", one)).Ends(ExitCodes.Success);

        var answer = (await _ozf.RunAsync("runs", "cancel", "--all", "--output", "json")).Ends(ExitCodes.Success);

        Assert.Equal([two], answer.Json.GetProperty("runs").EnumerateArray().Select(run => run.GetProperty("run_id").GetString()));
        (await _ozf.RunAsync("runs", "cancel")).Ends(ExitCodes.Usage);
        (await _ozf.RunAsync("runs", "cancel", one, "--all")).Ends(ExitCodes.Usage);
    }

    [Theory]
    [InlineData("--all", "--worker", "")]
    [InlineData("--all", "--worker", "no name")]
    [InlineData("ID", "--worker", "local")]
    public async Task A_slip_in_whose_runs_are_to_be_cancelled_cancels_none(params string[] words)
    {
        var id = await SubmitAsync("a");

        var refused = (await _ozf.RunAsync(["runs", "cancel", .. words.Select(word => word == "ID" ? id : word)])).Ends(ExitCodes.Usage);

        Assert.Contains("--worker", refused.Error, StringComparison.Ordinal);
        Assert.Equal([id], (await ListAsync("--state", "QUEUED")).Ids);
    }

    [Fact]
    public async Task A_slip_in_one_id_cancels_nothing()
    {
        var id = await SubmitAsync("a");

        (await _ozf.RunAsync("runs", "cancel", id, "00000000-0000-7000-8000-000000000000")).Ends(ExitCodes.Usage);

        Assert.Equal([id], (await ListAsync("--state", "QUEUED")).Ids);
    }

    [Fact]
    public async Task A_retry_is_a_new_run_that_names_the_old_one()
    {
        var id = await SubmitAsync("a", "--idempotency-key", "k", "--title", "T");
        Assert.Contains("only a finished run", (await _ozf.RunAsync("runs", "retry", id)).Ends(ExitCodes.Usage).Error, StringComparison.Ordinal);
        (await _ozf.RunAsync("runs", "cancel", id)).Ends(ExitCodes.Success);

        var retry = (await _ozf.RunAsync("runs", "retry", id)).Ends(ExitCodes.Success).Line;

        var record = (await _ozf.RunAsync("runs", "get", retry, "--output", "json")).Json;
        Assert.NotEqual(id, retry);
        Assert.Equal((id, "QUEUED", "T"), (record.GetProperty("retry_of").GetString(), record.GetProperty("state").GetString(), record.GetProperty("request").GetProperty("title").GetString()));
        Assert.False(record.GetProperty("request").TryGetProperty("idempotency_key", out _));
    }

    [Fact]
    public async Task Events_are_read_from_records_and_not_consumed()
    {
        var id = await SubmitAsync("a");
        (await _ozf.RunAsync("runs", "cancel", id)).Ends(ExitCodes.Success);

        for (var i = 0; i < 2; i++)
        {
            var lines = (await _ozf.RunAsync("events", "--output", "json")).Ends(ExitCodes.Success).Output.TrimEnd('\n').Split('\n');

            var json = JsonDocument.Parse(Assert.Single(lines)).RootElement;
            Assert.Equal(($"{id}:0:completed", "io.ozfunctions.run.completed.v1"), (json.GetProperty("id").GetString(), json.GetProperty("type").GetString()));
        }

        Assert.Contains("CANCELLED", (await _ozf.RunAsync("events")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_without_an_attempt_has_no_log_and_no_artifacts_and_that_is_no_failure()
    {
        var id = await SubmitAsync("a");

        Assert.Contains("No log yet", (await _ozf.RunAsync("runs", "logs", id)).Ends(ExitCodes.Success).Error, StringComparison.Ordinal);
        Assert.Equal("""{"artifacts":[]}""", (await _ozf.RunAsync("runs", "artifacts", id, "--output", "json")).Ends(ExitCodes.Success).Line);
        (await _ozf.RunAsync("runs", "logs", id, "--attempt", "1")).Ends(ExitCodes.Usage);
    }

    private async Task<string> SubmitAsync(string prompt, params string[] flags) => (await _ozf.RunAsync(["run", "-p", prompt, .. flags])).Ends(ExitCodes.Success).Line;

    private async Task<(string[] Ids, string? Cursor)> ListAsync(params string[] flags)
    {
        var json = (await _ozf.RunAsync(["runs", "list", "--output", "json", .. flags])).Ends(ExitCodes.Success).Json;
        var info = json.GetProperty("page_info");
        var cursor = info.TryGetProperty("next_cursor", out var next) ? next.GetString() : null;
        Assert.Equal(cursor is not null, info.GetProperty("has_next_page").GetBoolean());
        return ([.. json.GetProperty("runs").EnumerateArray().Select(run => run.GetProperty("run_id").GetString()!)], cursor);
    }
}
