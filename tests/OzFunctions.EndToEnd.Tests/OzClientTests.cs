using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Clients of others against a real <c>ozf up</c>: the vendor's own, and curl as the page about the API has it.</summary>
public sealed partial class OzClientTests
{
    private const int Limit = 600_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task The_vendors_client_works_with_base_url_and_key_changed()
    {
        await using var machine = new OneMachine();
        await using var up = StartUp(machine);
        var (url, key) = await DoorOfAsync(up);

        var said = await SaidByClientAsync(url, key);

        AssertRuns(said);
        AssertSchedules(said);
    }

    private static async Task<Dictionary<string, JsonElement>> SaidByClientAsync(string url, string key)
    {
        var (exitCode, output, errors) = await TestPackages.RunAsync("client.mjs", [url], Cancellation, new Dictionary<string, string?> { ["OZF_API_KEY"] = key });
        Assert.True(exitCode == 0, $"{output}\n{errors}");
        return output.Split('\n').Select(line => JsonDocument.Parse(line).RootElement).ToDictionary(line => line.GetProperty("what").GetString()!, line => line.GetProperty("answer"));
    }

    private static void AssertRuns(Dictionary<string, JsonElement> said)
    {
        var run = said["retrieve"];
        Assert.Equal("QUEUED", said["run"].GetProperty("state").GetString());
        Assert.Equal(said["run"].GetProperty("run_id").GetString(), run.GetProperty("run_id").GetString());
        Assert.Equal(("SUCCEEDED", "From the client"), (run.GetProperty("state").GetString(), run.GetProperty("title").GetString()));
        Assert.Equal("https://example.com/pull/1", run.GetProperty("artifacts")[0].GetProperty("data").GetProperty("url").GetString());
        Assert.Equal("auto", run.GetProperty("agent_config").GetProperty("model_id").GetString());
        Assert.Equal("local", run.GetProperty("worker_id").GetString());
        Assert.True(said["list"].GetProperty("page_info").GetProperty("has_next_page").GetBoolean());
        Assert.Equal(run.GetProperty("run_id").GetString(), Assert.Single(said["next page"].GetProperty("runs").EnumerateArray()).GetProperty("run_id").GetString());
        Assert.Equal(run.GetProperty("run_id").GetString(), Assert.Single(said["filtered"].GetProperty("runs").EnumerateArray()).GetProperty("run_id").GetString());
        Assert.Equal(said["list"].GetProperty("runs")[0].GetProperty("run_id").GetString(), said["cancel"].GetString());
        Assert.Equal(("BadRequestError", "/problems/invalid_request"), ErrorOf(said["cancel again"]));
        Assert.Equal(("NotFoundError", "/problems/resource_not_found"), ErrorOf(said["no such run"]));
        Assert.Equal(("BadRequestError", "/problems/invalid_request"), ErrorOf(said["no prompt"]));
        Assert.Equal(("UnprocessableEntityError", "/problems/operation_not_supported"), ErrorOf(said["images"]));
        Assert.Equal(("AuthenticationError", "/problems/authentication_required"), ErrorOf(said["wrong key"]));
    }

    private static void AssertSchedules(Dictionary<string, JsonElement> said)
    {
        var (made, changed, paused, resumed) = (said["schedule create"], said["schedule update"], said["schedule pause"], said["schedule resume"]);
        var id = made.GetProperty("id").GetString();
        Assert.Equal(("nightly-fixes", "Nightly fixes", "0 6 * * 1-5", "fix what broke", true), (id, NameOf(made), CronOf(made), made.GetProperty("prompt").GetString(), IsEnabled(made)));
        Assert.Equal(("auto", "env-1", "nobody"), (ConfigOf(made, "model_id"), ConfigOf(made, "environment_id"), ConfigOf(made, "worker_host")));
        Assert.NotNull(NextOf(made));
        Assert.Equal(JsonValueKind.Null, made.GetProperty("last_spawn_error").ValueKind);
        Assert.Equal((false, null), (IsEnabled(said["schedule created off"]), NextOf(said["schedule created off"])));
        Assert.Equal(made.GetRawText(), said["schedule retrieve"].GetRawText());
        Assert.Equal(["nightly-fixes", "off"], IdsOf(said["schedule list"]));

        // A replacement: what it does not say is gone.
        Assert.Equal((id, "Weekly fixes", "0 7 * * mon", "fix it all"), (changed.GetProperty("id").GetString(), NameOf(changed), CronOf(changed), changed.GetProperty("prompt").GetString()));
        Assert.Null(ConfigOf(changed, "model_id"));
        Assert.Equal((false, null), (IsEnabled(paused), NextOf(paused)));
        Assert.Equal((true, NextOf(changed)), (IsEnabled(resumed), NextOf(resumed)));
        Assert.Equal(("ConflictError", "/problems/conflict"), ErrorOf(said["schedule twice"]));
        Assert.Equal(("BadRequestError", "/problems/invalid_request"), ErrorOf(said["schedule nonsense"]));
        Assert.Equal("cron_schedule", Assert.Single(said["schedule nonsense"].GetProperty("faults").EnumerateArray()).GetString());
        Assert.True(said["schedule delete"].GetProperty("success").GetBoolean());
        Assert.Equal(("NotFoundError", "/problems/resource_not_found"), ErrorOf(said["schedule gone"]));
        Assert.Equal(("NotFoundError", "/problems/resource_not_found"), ErrorOf(said["schedule gone twice"]));
        Assert.Equal(["off"], IdsOf(said["schedule left"]));
    }

    private static string? NameOf(JsonElement schedule) => schedule.GetProperty("name").GetString();

    private static string? CronOf(JsonElement schedule) => schedule.GetProperty("cron_schedule").GetString();

    private static bool IsEnabled(JsonElement schedule) => schedule.GetProperty("enabled").GetBoolean();

    private static string? NextOf(JsonElement schedule) => schedule.GetProperty("history").GetProperty("next_run").GetString();

    private static string? ConfigOf(JsonElement schedule, string field) => schedule.GetProperty("agent_config").TryGetProperty(field, out var value) ? value.GetString() : null;

    private static IEnumerable<string?> IdsOf(JsonElement list) => list.GetProperty("schedules").EnumerateArray().Select(schedule => schedule.GetProperty("id").GetString()).Order();

    [Fact(Timeout = Limit)]
    public async Task The_commands_of_the_page_about_the_api_do_what_it_says()
    {
        var page = await File.ReadAllTextAsync(Path.Join(TestPackages.Directory, "..", "..", "docs", "api.md"), Cancellation);
        await using var machine = new OneMachine("""
            echo "Hello."
            echo "Done."
            printf kept >"$OZ_ARTIFACTS_DIR/report.txt"
            """);
        await using var up = StartUp(machine);
        var (url, _) = await DoorOfAsync(up);
        var blocks = Shell().Matches(page);
        var script = string.Concat(blocks.Select(block => block.Groups["commands"].Value + "\necho '# '\n"))
            .Replace("http://127.0.0.1:7007", url, StringComparison.Ordinal)
            .Replace("~/.local/state/ozf/api-key", Path.Join(machine.Data, "api-key"), StringComparison.Ordinal);

        await using var shell = TestProcess.Start("/bin/sh", ["-eu", "-c", script]);
        var code = await shell.WaitForExitAsync(Cancellation);
        var printed = string.Join('\n', shell.Output);
        Assert.True(code == 0, $"{printed}\n{string.Join('\n', shell.Errors)}");

        // What a block prints, up to the mark after it, holds what the page says below it.
        var parts = printed.Split("# ");
        Assert.Equal(blocks.Count, parts.Length - 1);
        Assert.All(blocks.Select((block, i) => (Expected: block.Groups["answer"].Value, Printed: parts[i])), part => Assert.Contains(part.Expected, part.Printed, StringComparison.Ordinal));
    }

    private static (string? Name, string? Code) ErrorOf(JsonElement answer) => (answer.GetProperty("name").GetString(), answer.GetProperty("code").GetString());

    private static TestProcess StartUp(OneMachine machine) =>
        TestProcess.Start(Path.Join(AppContext.BaseDirectory, "ozf"), ["up", "--port", "0", "--data", machine.Data, "--config-file", machine.Config, "--output", "json"], OneMachine.Clean);

    private static async Task<(string Url, string Key)> DoorOfAsync(TestProcess up)
    {
        using var json = JsonDocument.Parse(await up.WaitForLineAsync("\"url\"", Cancellation));
        var key = await File.ReadAllTextAsync(json.RootElement.GetProperty("key_file").GetString()!, Cancellation);
        return (json.RootElement.GetProperty("url").GetString()!, key.Trim());
    }

    [GeneratedRegex("```sh\n(?<commands>.*?)(\n# (?<answer>[^\n]*))?\n```", RegexOptions.Singleline)]
    private static partial Regex Shell();
}
