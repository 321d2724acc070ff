using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.Http.Tests;

/// <summary>Schedules over HTTP, in the vendor's words.</summary>
public sealed class ScheduleApiTests
{
    private const string Schedules = "/api/v1/agent/schedules";
    private const string Body = """{"name":"Daily Summary!","cron_schedule":"0 9 * * *","prompt":"Summarise","team":true,"time_zone":"Europe/Berlin","agent_config":{"model_id":"m","worker_host":"gpu"}}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_schedule_is_made_read_listed_replaced_switched_and_removed()
    {
        var rig = new DoorRig();
        var made = (await rig.PostAsync(Schedules, Body)).Is(201).Json;
        Assert.Equal(
            ("daily-summary", "Daily Summary!", "0 9 * * *", true, "Summarise", "m", "gpu", "Europe/Berlin", "api"),
            (Text(made, "id"), Text(made, "name"), Text(made, "cron_schedule"), made.GetProperty("enabled").GetBoolean(), Text(made, "prompt"), Text(made.GetProperty("agent_config"), "model_id"), Text(made.GetProperty("agent_config"), "worker_host"), Text(made, "time_zone"), Text(made, "source")));
        Assert.Equal(JsonValueKind.Null, made.GetProperty("last_spawn_error").ValueKind);
        Assert.Equal(JsonValueKind.Null, made.GetProperty("history").GetProperty("last_ran").ValueKind);
        Assert.EndsWith("Z", Text(made.GetProperty("history"), "next_run"), StringComparison.Ordinal);

        Assert.Equal("daily-summary", Text(Assert.Single((await rig.GetAsync(Schedules)).Is(200).Json.GetProperty("schedules").EnumerateArray()), "id"));
        var replaced = (await rig.SendAsync("PUT", Schedules + "/daily-summary", """{"name":"Weekly","cron_schedule":"@weekly","prompt":"","enabled":false,"agent_config":{"skill_spec":"s"}}""")).Is(200).Json;
        Assert.Equal(("daily-summary", "Weekly", "@weekly", false, "", "UTC"), (Text(replaced, "id"), Text(replaced, "name"), Text(replaced, "cron_schedule"), replaced.GetProperty("enabled").GetBoolean(), Text(replaced, "prompt"), Text(replaced, "time_zone")));
        Assert.True((await rig.SendAsync("POST", Schedules + "/daily-summary/resume")).Is(200).Json.GetProperty("enabled").GetBoolean());
        Assert.False((await rig.SendAsync("POST", Schedules + "/daily-summary/pause")).Is(200).Json.GetProperty("enabled").GetBoolean());
        Assert.True((await rig.SendAsync("DELETE", Schedules + "/daily-summary")).Is(200).Json.GetProperty("success").GetBoolean());
        Assert.Equal("resource_not_found", (await rig.GetAsync(Schedules + "/daily-summary")).Is(404).Code);
    }

    [Fact]
    public async Task One_that_cannot_be_read_is_named_takes_away_no_others_and_can_be_removed()
    {
        var rig = new DoorRig();
        await rig.PostAsync(Schedules, Body);
        await rig.Blobs.PutAsync("schedules/broken.json", "{"u8.ToArray(), Cancellation);

        var list = (await rig.GetAsync(Schedules)).Is(200).Json;
        var one = (await rig.GetAsync(Schedules + "/broken")).Is(409);
        (await rig.SendAsync("POST", Schedules + "/broken/run")).Is(409);
        (await rig.SendAsync("DELETE", Schedules + "/broken")).Is(200);

        Assert.Equal("daily-summary", Text(Assert.Single(list.GetProperty("schedules").EnumerateArray()), "id"));
        var broken = Assert.Single(list.GetProperty("unreadable").EnumerateArray());
        Assert.Equal(("broken", Text(one.Json, "detail")), (Text(broken, "id"), Text(broken, "detail")));
        Assert.Contains("delete it", one.Text, StringComparison.Ordinal);
        Assert.False((await rig.GetAsync(Schedules)).Json.TryGetProperty("unreadable", out _));
    }

    [Fact]
    public async Task What_was_accepted_in_the_vendors_words_is_shown_in_them_and_comes_back_whole()
    {
        var rig = new DoorRig();
        var made = (await rig.PostAsync(Schedules, """
            {"name":"n","cron_schedule":"@daily","prompt":"p","agent_config":{"model_id":"m","base_prompt":"b","environment_id":"e","profile_id":"pr","skill_spec":"org/r:s",
             "computer_use_enabled":true,"idle_timeout_minutes":2,"worker_host":"gpu","harness":{"type":"claude"},"session_sharing":{"public_access":"EDITOR"},
             "mcp_servers":{"linear":{"warp_id":"6f9619ff-8b86-4d01-b42d-00cf4fc964ff"},"b":{"command":"run","args":["x"],"env":{"TOKEN":"${secret:t}"}},"c":{"url": "https://example.com/mcp"}}}}
            """)).Is(201).Json;

        var again = (await rig.SendAsync("PUT", Schedules + "/n", $$"""{"name":"n","cron_schedule":"@weekly","prompt":"p","enabled":true,"agent_config":{{made.GetProperty("agent_config").GetRawText()}}}""")).Is(200).Json;

        Assert.Equal(made.GetProperty("request").GetRawText(), again.GetProperty("request").GetRawText());
        Assert.Equal(3, again.GetProperty("request").GetProperty("mcp").GetArrayLength());
        Assert.Equal("EDITOR", Text(made.GetProperty("agent_config").GetProperty("session_sharing"), "public_access"));
    }

    [Fact]
    public async Task What_the_vendor_has_no_word_for_is_left_out_of_its_configuration()
    {
        var rig = new DoorRig();

        var config = (await rig.PostAsync(Schedules, """
            {"name":"n","cron_schedule":"@daily","prompt":"p","idle_on_complete":"90s","share":["team"],"mcp":["servers.json","{\"b\":{\"url\":\"https://a.example\"}}","{\"b\":{\"url\":\"https://b.example\"}}"]}
            """)).Is(201).Json.GetProperty("agent_config");

        Assert.Equal("""{"mcp_servers":{"b":{"url":"https://a.example"},"b-2":{"url":"https://b.example"}}}""", config.GetRawText());
    }

    [Fact]
    public async Task What_an_answer_shows_as_request_can_be_sent_back_under_an_id_of_ones_own()
    {
        var rig = new DoorRig();

        var made = (await rig.PostAsync(Schedules, """{"id":"a--b","name":"a--b","cron_schedule":"@daily","request":{"prompt":"p","name":"runs of it","model":"m"}}""")).Is(201).Json;
        var again = (await rig.SendAsync("PUT", Schedules + "/a--b", $$"""{"id":"a--b","name":"Other","cron_schedule":"@daily","enabled":false,"request":{{made.GetProperty("request").GetRawText()}}}""")).Is(200).Json;

        Assert.Equal(("a--b", "a--b", "active", "m"), (Text(made, "id"), Text(made, "name"), Text(made, "state"), Text(made.GetProperty("agent_config"), "model_id")));
        Assert.Equal("runs of it", Text(made.GetProperty("request"), "name"));
        Assert.False(made.GetProperty("record").GetProperty("definition").TryGetProperty("title", out _), "a name that only repeats the id is no title");
        Assert.Equal(("Other", "paused", made.GetProperty("request").GetRawText()), (Text(again.GetProperty("record").GetProperty("definition"), "title"), Text(again, "state"), again.GetProperty("request").GetRawText()));
    }

    [Theory]
    [InlineData("pause", "paused")]
    [InlineData("resume", "active")]
    public async Task A_replacement_that_leaves_enabled_as_it_is_undoes_no_pause_and_no_resume(string verb, string state)
    {
        var rig = new DoorRig();
        await rig.PostAsync(Schedules, Body);
        await rig.SendAsync("POST", Schedules + "/daily-summary/" + verb);

        var replaced = (await rig.SendAsync("PUT", Schedules + "/daily-summary", """{"name":"Weekly","cron_schedule":"@weekly","enabled":null,"request":{"prompt":"p"}}""")).Is(200).Json;

        Assert.Equal(("@weekly", state), (Text(replaced, "cron_schedule"), Text(replaced, "state")));
    }

    [Fact]
    public async Task The_key_of_a_run_may_stand_in_the_body_where_it_need_not_be_ascii()
    {
        var rig = new DoorRig();
        await rig.PostAsync(Schedules, Body);
        Task<DoorAnswer> RunAsync(string body) => rig.PostAsync(Schedules + "/daily-summary/run", body);

        var first = (await RunAsync("""{"idempotency_key":"täglich"}""")).Is(202).Json;
        var again = (await RunAsync("""{"idempotency_key":"täglich"}""")).Is(202).Json;

        Assert.Equal((Text(first, "run_id"), false), (Text(again, "run_id"), again.GetProperty("created").GetBoolean()));
        (await RunAsync("""{"idempotency_key":7}""")).Is(400);
        (await RunAsync($$"""{"idempotency_key":"{{new string('x', 257)}}"}""")).Is(400);
        (await rig.SendAsync("POST", Schedules + "/daily-summary/run", """{"idempotency_key":"a"}""", change: request => request.Headers["Idempotency-Key"] = "b")).Is(400);
        Assert.Equal(Text(first, "run_id"), Text((await rig.GetAsync(Schedules + "/daily-summary")).Json, "last_run_id"));
    }

    [Fact]
    public async Task A_run_of_it_starts_at_once_and_a_repeat_with_the_key_answers_it()
    {
        var rig = new DoorRig();
        await rig.PostAsync(Schedules, Body);

        var first = (await rig.SendAsync("POST", Schedules + "/daily-summary/run", key: DoorRig.SubmitKey, change: request => request.Headers["Idempotency-Key"] = "k")).Is(202).Json;
        var again = (await rig.SendAsync("POST", Schedules + "/daily-summary/run", key: DoorRig.SubmitKey, change: request => request.Headers["Idempotency-Key"] = "k")).Is(202).Json;

        Assert.Equal((Text(first, "run_id"), false), (Text(again, "run_id"), again.GetProperty("created").GetBoolean()));
        var run = (await rig.Core.Records.FindAsync(RunId.Parse(Text(first, "run_id")), Cancellation))!.Record;
        Assert.Equal((TriggerKind.Schedule, "daily-summary", "gpu", "submitter"), (run.Trigger.Kind, run.Trigger.Name, run.WorkerId, run.AskedBy));
        Assert.Equal(Text(first, "run_id"), Text((await rig.GetAsync(Schedules + "/daily-summary")).Json, "last_run_id"));
    }

    [Theory]
    [InlineData("""{}""", "name cron_schedule prompt")]
    [InlineData("""{"name":"a","cron_schedule":"61 * * * *","prompt":"p"}""", "cron_schedule")]
    [InlineData("""{"name":"a","cron_schedule":"@daily","prompt":"p","time_zone":"Mars"}""", "time_zone")]
    [InlineData("""{"name":"a","cron_schedule":"@daily","prompt":"p","overlap":"replace","missed":"many","missed_window":"x"}""", "overlap missed missed_window")]
    [InlineData("""{"name":7,"cron_schedule":"@daily","prompt":"p","enabled":"yes"}""", "name enabled")]
    [InlineData("""{"name":"a","cron_schedule":"@daily","prompt":"p","agent_config":{"model":"m"}}""", "agent_config.model")]
    [InlineData("""{"name":"a","cron_schedule":"@daily","prompt":"p","not_before":"2030-01-01T00:00:00Z","cron":"x"}""", "cron")]
    [InlineData("""{"name":"a","cron_schedule":"@daily","prompt":"p","not_before":"2030-01-01T00:00:00Z"}""", "not_before")]
    [InlineData("""{"name":"a","cron_schedule":"@daily","request":{"prompt":"p","not_before":"2030-01-01T00:00:00Z"}}""", "request.not_before")]
    [InlineData("""{"name":"a","cron_schedule":"@daily","request":{"promt":"p"}}""", "request.promt request.prompt")]
    [InlineData("""{"name":"a","cron_schedule":"@daily","request":"p"}""", "request")]
    [InlineData("""{"name":"a","cron_schedule":"@daily","request":{"prompt":"p"},"model":"m"}""", "request")]
    [InlineData("""{"name":"a","id":"A b","cron_schedule":"@daily","prompt":"p"}""", "id")]
    public async Task A_bad_schedule_is_refused_with_every_fault_by_the_callers_names(string body, string paths)
    {
        var rig = new DoorRig();

        var problem = (await rig.PostAsync(Schedules, body)).Is(400);

        Assert.Equal("invalid_request", problem.Code);
        var found = problem.Json.GetProperty("faults").EnumerateArray().Select(fault => Text(fault, "path")).ToList();
        Assert.All(paths.Split(' '), path => Assert.Contains(path, found));
        Assert.Empty((await rig.GetAsync(Schedules)).Json.GetProperty("schedules").EnumerateArray());
    }

    [Fact]
    public async Task What_is_not_done_here_is_422_a_taken_name_409_and_a_replacement_says_all()
    {
        var rig = new DoorRig();
        await rig.PostAsync(Schedules, Body);

        Assert.Equal("operation_not_supported", (await rig.PostAsync(Schedules, """{"name":"a","cron_schedule":"@daily","prompt":"p","agent_config":{"harness_auth_secrets":{}}}""")).Is(422).Code);
        (await rig.PostAsync(Schedules, Body)).Is(201);
        Assert.Equal("conflict", (await rig.PostAsync(Schedules, """{"name":"daily summary","cron_schedule":"@daily","prompt":"p"}""")).Is(409).Code);
        (await rig.SendAsync("PUT", Schedules + "/daily-summary", """{"name":"a","cron_schedule":"@daily","prompt":"p"}""")).Is(400);
        (await rig.SendAsync("PUT", Schedules + "/nobody", """{"name":"a","cron_schedule":"@daily","prompt":"p","enabled":true}""")).Is(404);
        (await rig.PostAsync(Schedules, Body, DoorRig.SubmitKey)).Is(403);
    }

    private static string Text(JsonElement json, string name) => json.GetProperty(name).GetString()!;
}
