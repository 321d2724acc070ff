using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.Http.Tests.Runs;

public sealed class ReadAndCancelTests
{
    private const string Path = "/api/v1/agent/runs";

    private readonly DoorRig _rig = new();

    [Fact]
    public async Task A_run_is_its_record_with_the_vendors_fields_in_the_same_object()
    {
        var id = await _rig.SubmitAsync("""{"prompt":"Fix the login\nplease","config":{"model_id":"m"}}""");
        await _rig.StartAsync(id);
        await _rig.UpdateAsync(id, run => run with { Attempts = [run.Attempts[0] with { SessionUrl = "https://example.com/s", PullRequests = [new("https://example.com/pr/1", "fix")] }] });
        await _rig.KeepAsync(id, 1, ("out/report.md", "# Report", "text/markdown"));
        await _rig.FinishAsync(id, RunReason.AgentInvocation);

        var run = (await _rig.GetAsync($"{Path}/{id}")).Is(200).Json;

        Assert.Equal(
            (id, id, "FAILED", "agent_invocation", "Fix the login", "API", "REMOTE"),
            (Text(run, "run_id"), Text(run, "task_id"), Text(run, "state"), Text(run, "reason"), Text(run, "title"), Text(run, "source"), Text(run, "execution_location")));
        Assert.Equal(1, run.GetProperty("schema").GetInt32());
        Assert.Equal("exit code 3", run.GetProperty("status_message").GetProperty("message").GetString());
        Assert.Equal("m", run.GetProperty("agent_config").GetProperty("model_id").GetString());
        Assert.Equal("https://example.com/s", Text(run, "session_link"));
        Assert.Equal("all", run.GetProperty("creator").GetProperty("uid").GetString());
        var artifacts = run.GetProperty("artifacts").EnumerateArray().ToList();
        Assert.Equal(["PULL_REQUEST", "FILE"], artifacts.Select(artifact => Text(artifact, "artifact_type")));
        var uid = artifacts[1].GetProperty("data").GetProperty("artifact_uid").GetString();
        var one = (await _rig.GetAsync("/api/v1/agent/artifacts/" + uid)).Is(200).Json;
        Assert.Equal("text/markdown", one.GetProperty("data").GetProperty("content_type").GetString());
        var url = new Uri(one.GetProperty("data").GetProperty("download_url").GetString()!);
        Assert.Equal("# Report", (await _rig.GetAsync(url.PathAndQuery)).Is(200).Text);

        // The record's own names stand once: no member is doubled by the vendor's.
        Assert.Equal(run.EnumerateObject().Select(property => property.Name).Distinct().Count(), run.EnumerateObject().Count());
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("01980000-0000-7000-8000-000000000000")]
    public async Task A_run_that_is_not_there_is_404(string id)
    {
        Assert.Equal("resource_not_found", (await _rig.GetAsync($"{Path}/{id}")).Is(404).Code);
        (await _rig.SendAsync("POST", $"{Path}/{id}/cancel")).Is(404);
        (await _rig.GetAsync($"{Path}/{id}/log")).Is(404);
        (await _rig.GetAsync($"{Path}/{id}/artifacts")).Is(404);
    }

    [Fact]
    public async Task A_list_goes_on_by_its_cursor()
    {
        var ids = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            ids.Insert(0, await _rig.SubmitAsync());
        }

        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = (await _rig.GetAsync($"{Path}?limit=2{(cursor is null ? "" : "&cursor=" + cursor)}")).Is(200).Json;
            seen.AddRange(page.GetProperty("runs").EnumerateArray().Select(run => Text(run, "run_id")));
            var info = page.GetProperty("page_info");
            cursor = info.GetProperty("has_next_page").GetBoolean() ? Text(info, "next_cursor") : null;
        }
        while (cursor is not null);

        Assert.Equal(ids.Order(), seen.Order());
        Assert.Equal(5, seen.Count);
    }

    [Fact]
    public async Task A_sorted_list_goes_on_by_its_cursor()
    {
        foreach (var title in new[] { "b", "d", "a", "c", "e" })
        {
            await _rig.SubmitAsync($$"""{"prompt":"p","title":"{{title}}"}""");
        }

        var first = (await _rig.GetAsync($"{Path}?sort_by=title&sort_order=asc&limit=3")).Is(200).Json;
        var second = (await _rig.GetAsync($"{Path}?sort_by=title&sort_order=asc&limit=3&cursor={Text(first.GetProperty("page_info"), "next_cursor")}")).Is(200).Json;

        Assert.Equal(["a", "b", "c"], Titles(first));
        Assert.Equal(["d", "e"], Titles(second));
        Assert.False(second.GetProperty("page_info").GetProperty("has_next_page").GetBoolean());
        Assert.Equal(["e", "d"], Titles((await _rig.GetAsync($"{Path}?sort_by=title&limit=2")).Is(200).Json));
    }

    [Fact]
    public async Task Filters_choose_runs()
    {
        var one = await _rig.SubmitAsync("""{"prompt":"repair the roof","title":"one","config":{"name":"fixer","model_id":"m1","environment_id":"e1","worker_host":"w1"}}""");
        var two = await _rig.SubmitAsync("""{"prompt":"paint","title":"two","skill":"org/r:s"}""");
        await _rig.StartAsync(two);
        await _rig.FinishAsync(two);

        async Task<string[]> FindAsync(string query) => Titles((await _rig.GetAsync($"{Path}?{query}")).Is(200).Json);

        Assert.Equal(["two"], await FindAsync("state=SUCCEEDED"));
        Assert.Equal(["two", "one"], await FindAsync("state=SUCCEEDED&state=QUEUED"));
        Assert.Empty(await FindAsync("state=PENDING"));
        Assert.Equal(["one"], await FindAsync("name=fixer"));
        Assert.Equal(["one"], await FindAsync("model_id=m1&environment_id=e1"));
        Assert.Equal(["one"], await FindAsync("q=ROOF"));
        Assert.Equal(["one"], await FindAsync("worker_id=w1"));
        Assert.Equal(["two"], await FindAsync("skill_spec=org/r:s"));
        Assert.Equal(["two", "one"], await FindAsync("source=API&creator=all&created_after=2020-01-01T00:00:00Z&created_before=2120-01-01T00:00:00%2B01:00"));
        Assert.Empty(await FindAsync("updated_after=2120-01-01T00:00:00Z"));
        Assert.Empty(await FindAsync("schedule_id=x"));
        Assert.Empty(await FindAsync("execution_location=LOCAL"));
        Assert.NotNull(one);
    }

    [Fact]
    public async Task A_bad_query_is_400_with_every_fault()
    {
        var answer = (await _rig.GetAsync($"{Path}?limit=0&state=DONE&sort_by=size&created_after=yesterday&stat=QUEUED")).Is(400);

        Assert.Equal(["created_after", "limit", "sort_by", "stat", "state"], answer.Json.GetProperty("faults").EnumerateArray().Select(fault => Text(fault, "path")).Order());
        (await _rig.GetAsync($"{Path}?cursor=nonsense")).Is(400);
        Assert.Equal("creator[]", Text(Assert.Single((await _rig.GetAsync($"{Path}?creator[]=nobody&state[]=QUEUED")).Is(400).Json.GetProperty("faults").EnumerateArray()), "path"));
    }

    [Fact]
    public async Task A_cancel_answers_the_id_and_a_second_one_says_already_finished()
    {
        var id = await _rig.SubmitAsync();

        var first = (await _rig.SendAsync("POST", $"{Path}/{id}/cancel")).Is(200);
        var second = (await _rig.SendAsync("POST", $"{Path}/{id}/cancel")).Is(400);

        Assert.Equal(id, first.Json.GetString());
        Assert.Equal("invalid_request", second.Code);
        Assert.Contains("CANCELLED", second.Text, StringComparison.Ordinal);
        Assert.Equal("CANCELLED", Text((await _rig.GetAsync($"{Path}/{id}")).Json, "state"));
    }

    [Fact]
    public async Task A_running_run_notes_who_wants_it_cancelled_and_why()
    {
        var id = await _rig.SubmitAsync();
        await _rig.StartAsync(id);

        (await _rig.PostAsync($"{Path}/{id}/cancel", """{"reason":"wrong branch"}""")).Is(200);

        var cancel = (await _rig.GetAsync($"{Path}/{id}")).Json.GetProperty("cancel");
        Assert.Equal(("all", "wrong branch"), (Text(cancel, "by"), Text(cancel, "reason")));
    }

    [Fact]
    public async Task Everything_can_be_cancelled_by_who_may()
    {
        await _rig.SubmitAsync();
        await _rig.SubmitAsync("""{"prompt":"p","worker_id":"other"}""");

        (await _rig.PostAsync($"{Path}/cancel", "{}", DoorRig.SubmitKey)).Is(403);
        var answer = (await _rig.SendAsync("POST", $"{Path}/cancel?worker_id=other")).Is(200).Json;

        Assert.Equal("cancelled", Text(Assert.Single(answer.GetProperty("runs").EnumerateArray()), "result"));
    }

    [Theory]
    [InlineData("""{"worker_id":"build"}""", 415)]
    [InlineData("{}", 415)]
    [InlineData("", 200)]
    public async Task A_body_that_comes_in_chunks_and_without_a_type_is_not_taken_for_none(string body, int status)
    {
        var run = await _rig.SubmitAsync("""{"prompt":"p"}""");

        (await SendAsync($"{Path}/cancel")).Is(status);

        Assert.Equal(status == 200 ? "CANCELLED" : "QUEUED", Text((await _rig.GetAsync($"{Path}/{run}")).Json, "state"));
        (await SendAsync($"{Path}/{run}/cancel")).Is(status == 200 ? 400 : 415);

        Task<DoorAnswer> SendAsync(string target) => _rig.SendAsync("POST", target, body, change: request => (request.ContentType, request.ContentLength) = (null, null));
    }

    [Theory]
    [InlineData("?worker_id=", "{}", "worker_id")]
    [InlineData("?worker_id", "{}", "worker_id")]
    [InlineData("?worker_id=no%20name", "{}", "worker_id")]
    [InlineData("?worker=other", "{}", "worker")]
    [InlineData("?Worker_Id=other", "{}", "Worker_Id")]
    [InlineData("?worker_id[]=other", "{}", "worker_id[]")]
    [InlineData("?worker_id=other&creator=ann", "{}", "creator")]
    [InlineData("", """{"worker_id":"other"}""", "worker_id")]
    [InlineData("", """{"reasons":"x"}""", "reasons")]
    public async Task A_slip_in_whose_runs_are_to_be_cancelled_cancels_none(string query, string body, string named)
    {
        var id = await _rig.SubmitAsync();

        var refused = (await _rig.PostAsync($"{Path}/cancel{query}", body)).Is(400).Json;

        Assert.Equal(named, Text(Assert.Single(refused.GetProperty("faults").EnumerateArray()), "path"));
        Assert.Equal("QUEUED", Text((await _rig.GetAsync($"{Path}/{id}")).Json, "state"));
    }

    private static string Text(JsonElement json, string name) => json.GetProperty(name).GetString()!;

    private static string[] Titles(JsonElement page) => [.. page.GetProperty("runs").EnumerateArray().Select(run => Text(run, "title"))];
}
