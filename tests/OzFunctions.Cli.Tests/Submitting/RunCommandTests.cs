using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Tests.Submitting;

public sealed class RunCommandTests : IDisposable
{
    private readonly OzfRig _ozf = new();

    public void Dispose() => _ozf.Dispose();

    [Fact]
    public async Task A_run_prints_its_id_and_stands_in_the_store()
    {
        var answer = (await _ozf.RunAsync("run", "-p", "do it", "--title", "T")).Ends(ExitCodes.Success);

        var record = await GetAsync(answer.Line);
        Assert.Equal("QUEUED", record.GetProperty("state").GetString());
        Assert.Equal("local", record.GetProperty("worker_id").GetString());
        Assert.Equal("cli", record.GetProperty("trigger").GetProperty("kind").GetString());
        Assert.Equal("do it", record.GetProperty("request").GetProperty("prompt").GetString());
        Assert.Equal("warning: no live host serves worker 'local'; the run waits for one (ozf worker --worker-id local).\n", answer.Error);
    }

    [Fact]
    public async Task Json_says_whether_the_run_is_new()
    {
        string[] call = ["run", "-p", "x", "--idempotency-key", "k", "--output", "json"];

        var first = (await _ozf.RunAsync(call)).Ends(ExitCodes.Success);
        var second = (await _ozf.RunAsync(call)).Ends(ExitCodes.Success);
        var other = (await _ozf.RunAsync("run", "-p", "y", "--idempotency-key", "k", "--output", "json")).Ends(ExitCodes.Success);

        var id = first.Json.GetProperty("run_id").GetString();
        Assert.True(RunId.TryParse(id, out _));
        Assert.Equal($$"""{"run_id":"{{id}}","created":true}""", first.Line);
        Assert.Equal($$"""{"run_id":"{{id}}","created":false}""", second.Line);
        Assert.Equal($$"""{"run_id":"{{id}}","created":false,"request_differs":true}""", other.Line);
        Assert.Contains("used before with another request", other.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_fault_of_flags_and_request_is_named_at_once()
    {
        var answer = (await _ozf.RunAsync(
            "run", "-p", "x", "--priority", "9", "--timeout", "5x", "--metadata", "plain", "--env", "NOT_SET_HERE", "--env", "PATH=/x", "--share", "nobody", "--host", "warp-1")).Ends(ExitCodes.Usage);

        Assert.Equal("", answer.Output);
        foreach (var place in (string[])["--metadata plain", "--env NOT_SET_HERE", "priority", "timeout", "env.PATH", "share[0]", "worker_id"])
        {
            Assert.Contains(answer.Error.Split('\n'), line => line.StartsWith($"ozf: {place}", StringComparison.Ordinal));
        }

        Assert.Empty((await _ozf.RunAsync("runs", "list", "--output", "json")).Json.GetProperty("runs").EnumerateArray());
    }

    [Fact]
    public async Task Flags_are_laid_over_the_file()
    {
        var file = _ozf.Write("request.json", """{"prompt":"from file","title":"kept","metadata":{"a":"1"},"artifacts":["*.log"]}""");

        var answer = (await _ozf.RunAsync("run", "--file", file, "-p", "from flag", "--metadata", "b=2", "--artifact", "*.txt", "--artifact", "out/**")).Ends(ExitCodes.Success);

        var request = (await GetAsync(answer.Line)).GetProperty("request");
        Assert.Equal(
            """{"prompt":"from flag","title":"kept","metadata":{"a":"1","b":"2"},"artifacts":["*.txt","out/**"]}""",
            JsonSerializer.Serialize(request));
    }

    [Fact]
    public async Task A_request_comes_from_standard_input_also_inside_a_CloudEvent()
    {
        const string Event = """{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"prompt":"inside"}}""";

        var answer = (await _ozf.RunAsync(["run", "--file", "-", "--title", "laid over"], Event)).Ends(ExitCodes.Success);

        var request = (await GetAsync(answer.Line)).GetProperty("request");
        Assert.Equal("""{"prompt":"inside","title":"laid over"}""", JsonSerializer.Serialize(request));
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("[1]")]
    [InlineData("""{"prompt":"x","prompt":"y"}""")]
    [InlineData("""{"prompt":"x","bogus":1}""")]
    public async Task A_file_that_is_no_request_is_refused(string content)
    {
        var answer = (await _ozf.RunAsync(["run", "--file", "-", "--title", "t"], content)).Ends(ExitCodes.Usage);

        Assert.StartsWith("ozf: ", answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_said_and_64() =>
        Assert.Contains("cannot be read", (await _ozf.RunAsync("run", "--file", "absent.json")).Ends(ExitCodes.Usage).Error, StringComparison.Ordinal);

    [Fact]
    public async Task Flags_of_the_real_CLI_reach_the_request()
    {
        _ozf.Environment["FROM_SHELL"] = "v";

        var answer = (await _ozf.RunAsync(
            "run", "-p", "@not-a-response-file", "--skill", "s", "--model", "m", "-n", "label", "--profile", "p", "--mcp", "id-1", "--mcp", "id-2", "-e", "env-1", "--conversation", "c",
            "--share", "team:edit", "--harness", "claude", "--no-computer-use", "--priority", "-3", "--env", "FROM_SHELL", "--env", "A=b=c", "--secret", "API_TOKEN=prod", "--no-changes",
            "--max-attempts", "2", "--concurrency-key", "ck", "--on-conflict", "skip", "--share", "--idle-on-complete")).Ends(ExitCodes.Success);

        var request = (await GetAsync(answer.Line)).GetProperty("request");
        Assert.Equal("@not-a-response-file", request.GetProperty("prompt").GetString());
        Assert.Equal(["id-1", "id-2"], request.GetProperty("mcp").EnumerateArray().Select(item => item.GetString()));
        Assert.Equal(["team:edit", "self"], request.GetProperty("share").EnumerateArray().Select(item => item.GetString()));
        Assert.Equal("""{"A":"b=c","API_TOKEN":{"secret":"prod"},"FROM_SHELL":"v"}""", Sorted(request.GetProperty("env")));
        Assert.Equal(-3, request.GetProperty("priority").GetInt32());
        Assert.Equal("45m", request.GetProperty("idle_on_complete").GetString());
        Assert.Equal("env-1", request.GetProperty("environment").GetString());
        Assert.False(request.GetProperty("computer_use").GetBoolean());
        Assert.False(request.GetProperty("changes").GetBoolean());
    }

    private static string Sorted(JsonElement map) =>
        "{" + string.Join(',', map.EnumerateObject().OrderBy(entry => entry.Name, StringComparer.Ordinal).Select(entry => $"\"{entry.Name}\":{JsonSerializer.Serialize(entry.Value)}")) + "}";

    private async Task<JsonElement> GetAsync(string id) => (await _ozf.RunAsync("runs", "get", id, "--output", "json")).Ends(ExitCodes.Success).Json;
}
