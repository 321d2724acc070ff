using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.Http.Tests.Runs;

public sealed class CreateTests
{
    private readonly DoorRig _rig = new();

    [Theory]
    [InlineData("/api/v1/agent/run")]
    [InlineData("/api/v1/agent/runs")]
    public async Task A_create_is_accepted_with_the_run_that_it_became(string path)
    {
        var answer = (await _rig.PostAsync(path, """{"prompt":"Say hello","title":"Hello"}""")).Is(202);

        var id = answer.Json.GetProperty("run_id").GetString()!;
        Assert.Equal(id, answer.Json.GetProperty("task_id").GetString());
        Assert.Equal("QUEUED", answer.Json.GetProperty("state").GetString());
        Assert.True(answer.Json.GetProperty("created").GetBoolean());
        Assert.Equal($"http://127.0.0.1:7007/api/v1/agent/runs/{id}", answer.Json.GetProperty("status_url").GetString());
        var run = (await _rig.Core.Records.FindAsync(RunId.Parse(id), TestContext.Current.CancellationToken))!.Record;
        Assert.Equal(TriggerKind.Api, run.Trigger.Kind);
        Assert.Equal("all", run.AskedBy);
        Assert.Equal("Say hello", run.Request.Prompt);
    }

    [Fact]
    public async Task The_trace_of_a_cloud_event_goes_on_into_the_run()
    {
        const string Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

        var answer = (await _rig.PostAsync("/api/v1/agent/runs", $$$"""{"specversion":"1.0","id":"e","source":"/s","type":"t","traceparent":"{{{Trace}}}","data":{"prompt":"p"}}""")).Is(202);

        var run = (await _rig.Core.Records.FindAsync(RunId.Parse(answer.Json.GetProperty("run_id").GetString()!), TestContext.Current.CancellationToken))!.Record;
        Assert.Equal(Trace, run.Traceparent);
    }

    [Fact]
    public async Task Two_trace_headers_are_none_and_no_reason_to_refuse()
    {
        const string Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

        var answer = (await _rig.SendAsync("POST", "/api/v1/agent/runs", """{"prompt":"p"}""", change: request => request.Headers.TraceParent = new([Trace, Trace]))).Is(202);
        var one = (await _rig.SendAsync("POST", "/api/v1/agent/runs", """{"prompt":"p"}""", change: request => request.Headers.TraceParent = Trace)).Is(202);

        Assert.NotEqual(Trace, await TraceOfAsync(answer));
        Assert.Equal(Trace, await TraceOfAsync(one));

        async Task<string?> TraceOfAsync(DoorAnswer accepted) =>
            (await _rig.Core.Records.FindAsync(RunId.Parse(accepted.Json.GetProperty("run_id").GetString()!), TestContext.Current.CancellationToken))!.Record.Traceparent;
    }

    [Fact]
    public async Task A_fault_in_the_look_at_hosts_does_not_make_an_accepted_run_look_refused()
    {
        _rig.Blobs.Before = (method, name) => method == "ListAsync" && name.StartsWith("hosts/", StringComparison.Ordinal) ? throw new InvalidOperationException("a fault of ours") : Task.CompletedTask;

        Assert.True((await _rig.PostAsync("/api/v1/agent/runs", """{"prompt":"p"}""")).Is(202).Json.GetProperty("created").GetBoolean());
    }

    [Fact]
    public async Task A_length_that_is_only_said_takes_no_memory()
    {
        var body = new FirstRead("""{"prompt":"p"}""");

        (await _rig.SendAsync("POST", "/api/v1/agent/runs", "{}", change: request => (request.Body, request.ContentLength) = (body, 1024 * 1024))).Is(202);

        Assert.InRange(body.Room, 1, 128 * 1024);
    }

    [Theory]
    [InlineData(null, "/api/v1/agent/runs/")]
    [InlineData("https://runs.example.com", "https://runs.example.com/api/v1/agent/runs/")]
    [InlineData("https://example.com/ozf/", "https://example.com/ozf/api/v1/agent/runs/")]
    public async Task Where_a_run_is_begins_with_the_public_address_and_its_path(string? publicUrl, string start)
    {
        var rig = new DoorRig(new() { Keys = [], PublicUrl = publicUrl is null ? null : new(publicUrl) });

        var created = (await rig.PostAsync("/api/v1/agent/runs", """{"prompt":"p"}""")).Is(202);
        var id = created.Json.GetProperty("run_id").GetString()!;
        await rig.StartAsync(id);
        var transcript = (await rig.GetAsync($"/api/v1/agent/runs/{id}/transcript")).Is(302);

        Assert.Equal(start + id, created.Headers.Location);
        Assert.Equal(publicUrl?.EndsWith("/ozf/", StringComparison.Ordinal) == true ? "log" : $"/api/v1/agent/runs/{id}/log", transcript.Headers.Location);
        Assert.EndsWith(start + id, created.Json.GetProperty("status_url").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_vendors_fields_become_those_of_a_request()
    {
        var id = await _rig.SubmitAsync("""
            {"prompt":"p","title":"t","skill":"org/repo:name","team":true,"interactive":false,"conversation_id":"c1","attachments":[],
             "priority":2,"timeout":"45m","max_attempts":2,"concurrency_key":"k","metadata":{"a":"b"},
             "config":{"name":"n","model_id":"m","base_prompt":"bp","environment_id":"e","skill_spec":"ignored:one","computer_use_enabled":true,"idle_timeout_minutes":7,
               "worker_host":"build","profile_id":"pr","harness":{"type":"claude"},"session_sharing":{"public_access":"view"},
               "mcp_servers":{"a":{"warp_id":"6f9619ff-8b86-4d01-b42d-00cf4fc964ff"},"b":{"command":"run","args":["x"],"env":{"TOKEN":"${secret:t}"}},"c":{"url":"https://example.com/mcp"}}}}
            """);

        var request = (await _rig.Core.Records.FindAsync(RunId.Parse(id), TestContext.Current.CancellationToken))!.Record.Request;
        Assert.Equal(
            ("t", "org/repo:name", "c1", "n", "m", "bp", "e", true, TimeSpan.FromMinutes(7), "build", "pr", "claude"),
            (request.Title, request.Skill, request.Conversation, request.Name, request.Model, request.BasePrompt, request.Environment, request.ComputerUse, request.IdleOnComplete, request.WorkerId, request.Profile, request.Harness));
        Assert.Equal((2, TimeSpan.FromMinutes(45), 2, "k"), (request.Priority, request.Timeout, request.MaxAttempts, request.ConcurrencyKey));
        Assert.Equal(["public:view"], request.Share);
        Assert.Equal(["6f9619ff-8b86-4d01-b42d-00cf4fc964ff", """{"b":{"command":"run","args":["x"],"env":{"TOKEN":"${secret:t}"}}}""", """{"c":{"url":"https://example.com/mcp"}}"""], request.Mcp);
    }

    [Theory]
    [InlineData("")]
    [InlineData("warp")]
    public async Task The_vendors_own_host_means_the_default_worker(string host)
    {
        var id = await _rig.SubmitAsync($$$"""{"prompt":"p","config":{"worker_host":"{{{host}}}"}}""");

        Assert.Equal("local", (await _rig.GetAsync("/api/v1/agent/runs/" + id)).Json.GetProperty("worker_id").GetString());
    }

    [Theory]
    [InlineData("attachments", """{"prompt":"p","attachments":[{"file_name":"a.png","mime_type":"image/png","data":"AA=="}]}""")]
    [InlineData("images", """{"prompt":"p","images":[{"mime_type":"image/png","data":"AA=="}]}""")]
    [InlineData("parent_run_id", """{"prompt":"p","parent_run_id":"x"}""")]
    [InlineData("agent_identity_uid", """{"prompt":"p","agent_identity_uid":"x"}""")]
    [InlineData("interactive", """{"prompt":"p","interactive":true}""")]
    [InlineData("config.harness_auth_secrets", """{"prompt":"p","config":{"harness_auth_secrets":{"claude_auth_secret_name":"x"}}}""")]
    public async Task What_is_not_done_here_is_422_and_names_the_field(string field, string json)
    {
        var answer = (await _rig.PostAsync("/api/v1/agent/runs", json)).Is(422);

        Assert.Equal("operation_not_supported", answer.Code);
        Assert.Equal(field, answer.Json.GetProperty("faults")[0].GetProperty("path").GetString());
        Assert.Empty((await _rig.GetAsync("/api/v1/agent/runs")).Json.GetProperty("runs").EnumerateArray());
    }

    [Fact]
    public async Task Bad_input_is_400_with_every_fault_where_the_caller_wrote_it()
    {
        var answer = (await _rig.PostAsync("/api/v1/agent/runs", """
            {"prompt":7,"timout":"1h","idempotency_key":"two\nlines","env":{"PATH":"x"},"config":{"model":"m","worker_host":"warp-7","idle_timeout_minutes":99,"mcp_servers":{"a":{"command":"x","env":{"API_TOKEN":"literal"}},"b":{},"c":{"warp_id":"../../etc/mcp.json"}}}}
            """)).Is(400);

        Assert.Equal("invalid_request", answer.Code);
        var faults = answer.Json.GetProperty("faults").EnumerateArray().Select(fault => fault.GetProperty("path").GetString()).ToList();
        foreach (var path in new[] { "prompt", "timout", "idempotency_key", "env.PATH", "config.model", "config.worker_host", "config.idle_timeout_minutes", "config.mcp_servers.a.env.API_TOKEN", "config.mcp_servers.b", "config.mcp_servers.c.warp_id" })
        {
            Assert.Contains(path, faults);
        }

        Assert.All(answer.Json.GetProperty("faults").EnumerateArray(), fault => Assert.NotEmpty(fault.GetProperty("rule").GetString()!));
        Assert.DoesNotContain("literal", answer.Json.GetProperty("faults").GetRawText().Replace("a literal is refused", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repeat_with_the_same_idempotency_key_answers_the_first_run()
    {
        async Task<JsonElement> SendAsync(string json, string key) =>
            (await _rig.SendAsync("POST", "/api/v1/agent/runs", json, change: request => request.Headers["Idempotency-Key"] = key)).Is(202).Json;

        var first = await SendAsync("""{"prompt":"p"}""", "k1");
        var again = await SendAsync("""{"prompt":"p"}""", "k1");
        var other = await SendAsync("""{"prompt":"q"}""", "k1");
        var inBody = (await _rig.PostAsync("/api/v1/agent/runs", """{"prompt":"p","idempotency_key":"k1"}""")).Is(202).Json;
        var second = await SendAsync("""{"prompt":"p"}""", "k2");

        var id = first.GetProperty("run_id").GetString();
        Assert.Equal((id, false), (again.GetProperty("run_id").GetString(), again.GetProperty("created").GetBoolean()));
        Assert.Equal((id, true), (other.GetProperty("run_id").GetString(), other.GetProperty("request_differs").GetBoolean()));
        Assert.Equal(id, inBody.GetProperty("run_id").GetString());
        Assert.NotEqual(id, second.GetProperty("run_id").GetString());
    }

    [Theory]
    [InlineData("runs", """{"\ud800":1}""")]
    [InlineData("runs", """{"prompt":"\ud800"}""")]
    [InlineData("runs", """{"prompt":"x","config":{"worker_host":"\ud800"}}""")]
    [InlineData("runs", """{"prompt":"x","mcp":["\ud800"]}""")]
    [InlineData("runs/cancel", """{"reason":"\ud800"}""")]
    [InlineData("schedules", """{"name":"a","cron_schedule":"@daily","prompt":"\udc00\ud800"}""")]
    [InlineData("schedules", """{"name":"a","cron_schedule":"@daily","prompt":"p","x\ud800":1}""")]
    public async Task Half_a_surrogate_pair_anywhere_in_a_body_is_the_callers_fault(string path, string body)
    {
        var refused = (await _rig.PostAsync("/api/v1/agent/" + path, body)).Is(400).Json;

        Assert.Contains("surrogate", refused.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.False(refused.GetProperty("retryable").GetBoolean());
    }

    [Fact]
    public async Task Keys_of_different_callers_never_meet()
    {
        async Task<string> SendAsync(string key) =>
            (await _rig.SendAsync("POST", "/api/v1/agent/runs", """{"prompt":"p"}""", key, request => request.Headers["Idempotency-Key"] = "k")).Is(202).Json.GetProperty("run_id").GetString()!;

        Assert.NotEqual(await SendAsync(DoorRig.Key), await SendAsync(DoorRig.SubmitKey));
    }

    [Fact]
    public async Task A_repeat_of_asking_again_with_the_same_key_answers_the_first_new_run()
    {
        var id = await _rig.SubmitAsync();
        await _rig.FinishAsync(id);
        var other = await _rig.SubmitAsync();
        await _rig.FinishAsync(other);
        async Task<(string?, bool)> RetryAsync(string run, string? key, string apiKey = DoorRig.Key)
        {
            var answer = (await _rig.SendAsync("POST", $"/api/v1/agent/runs/{run}/retry", key: apiKey, change: request => request.Headers["Idempotency-Key"] = key)).Is(202).Json;
            return (answer.GetProperty("run_id").GetString(), answer.GetProperty("created").GetBoolean());
        }

        var (first, created) = await RetryAsync(id, "k");

        Assert.True(created);
        Assert.Equal((first, false), await RetryAsync(id, "k"));
        Assert.True((await RetryAsync(id, null)).Item2);
        Assert.True((await RetryAsync(id, "k", DoorRig.SubmitKey)).Item2);
        Assert.True((await RetryAsync(other, "k")).Item2);
        (await _rig.SendAsync("POST", $"/api/v1/agent/runs/{id}/retry", change: request => request.Headers["Idempotency-Key"] = new string('x', 257))).Is(400);
    }

    [Fact]
    public async Task A_finished_run_can_be_asked_for_again()
    {
        var id = await _rig.SubmitAsync("""{"prompt":"p","idempotency_key":"k","title":"t"}""");
        (await _rig.PostAsync($"/api/v1/agent/runs/{id}/retry", "{}")).Is(409);
        await _rig.FinishAsync(id);

        var answer = (await _rig.SendAsync("POST", $"/api/v1/agent/runs/{id}/retry")).Is(202).Json;

        Assert.Equal(id, answer.GetProperty("retry_of").GetString());
        var repeat = (await _rig.GetAsync("/api/v1/agent/runs/" + answer.GetProperty("run_id").GetString())).Is(200).Json;
        Assert.Equal("t", repeat.GetProperty("title").GetString());
        Assert.Equal(id, repeat.GetProperty("retry_of").GetString());
    }

    /// <summary>A body that notes how much room there is for its first bytes.</summary>
    private sealed class FirstRead(string text) : MemoryStream(System.Text.Encoding.UTF8.GetBytes(text))
    {
        public int Room { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Room = Room == 0 ? buffer.Length : Room;
            return base.ReadAsync(buffer, cancellationToken);
        }
    }
}
