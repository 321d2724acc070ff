using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Tests.Machine;

public sealed class ConfigAndDoctorTests : IDisposable
{
    private readonly OzfRig _ozf = new();

    public void Dispose() => _ozf.Dispose();

    [Fact]
    public async Task The_effective_configuration_is_shown_with_secrets_hidden()
    {
        _ozf.Environment["THE_KEY"] = "hunter2-hunter2";
        _ozf.Write("ozf.yaml", "worker_id: builders\nsecrets: [{name: DEPLOY_KEY, env: THE_KEY}]\n");

        var text = (await _ozf.RunAsync("config", "show", "--config-file", "ozf.yaml")).Ends(ExitCodes.Success);
        var json = (await _ozf.RunAsync("config", "show", "--config-file", "ozf.yaml", "--output", "json")).Ends(ExitCodes.Success);

        Assert.Contains("worker_id: builders  # file", text.Output, StringComparison.Ordinal);
        Assert.Equal("builders", json.Json.GetProperty("worker_id").GetString());
        Assert.Equal("THE_KEY", json.Json.GetProperty("secrets")[0].GetProperty("env").GetString());
        Assert.DoesNotContain("hunter2", text.Output + json.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Validation_names_every_fault_with_its_line()
    {
        _ozf.Write("bad.yaml", "worker_id: warp-1\nmax_concurrent_tasks: many\nbogus: 1\n");

        var text = (await _ozf.RunAsync("config", "validate", "bad.yaml")).Ends(ExitCodes.Usage);
        var json = (await _ozf.RunAsync("config", "validate", "bad.yaml", "--output", "json")).Ends(ExitCodes.Usage);

        Assert.Equal(3, text.Error.TrimEnd('\n').Split('\n').Length);
        Assert.Contains("line 3", text.Error, StringComparison.Ordinal);
        Assert.Equal([1, 2, 3], json.Json.GetProperty("faults").EnumerateArray().Select(fault => fault.GetProperty("line").GetInt32()));
    }

    [Fact]
    public async Task A_secret_that_is_missing_here_is_a_warning_of_a_valid_file()
    {
        _ozf.Write("ozf.yaml", "secrets: [{name: DEPLOY_KEY, env: NOT_HERE}]\n");

        var answer = (await _ozf.RunAsync("config", "validate", "ozf.yaml")).Ends(ExitCodes.Success);

        Assert.Equal("ozf.yaml is valid.", answer.Line);
        Assert.Contains("NOT_HERE", answer.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task The_doctor_finds_a_machine_that_can_run_a_worker()
    {
        _ozf.Write("ozf.yaml", $"""
            backend:
              direct:
                oz_path: {Path.Combine(AppContext.BaseDirectory, "fake-oz")}
                workspace_root: {_ozf.Place}/ws
                limits: {"{memory: 2GiB, nice: 5, workspace: 1GiB}"}
            limits: {"{disk_free: 1MiB, inodes_free: 1, memory_free: 0}"}
            """);

        var answer = (await _ozf.RunAsync("doctor", "--config-file", "ozf.yaml", "--output", "json")).Ends(ExitCodes.Success);

        Assert.True(answer.Json.GetProperty("ok").GetBoolean());
        var checks = answer.Json.GetProperty("checks").EnumerateArray().ToDictionary(check => check.GetProperty("check").GetString()!);
        foreach (var check in (string[])["platform", "configuration", "data directory", "agent", "user", "workspaces", "shim", "limits", "disk and memory", "clock"])
        {
            Assert.Equal("ok", checks[check].GetProperty("status").GetString());
        }

        // A disk that others keep busy is a slow one, which is a warning.
        Assert.Contains(checks["store"].GetProperty("status").GetString(), new[] { "ok", "warn" });
        Assert.Matches(@"\Areadable and writable, a durable write takes \d+\.\d ms", checks["store"].GetProperty("message").GetString());
        Assert.Matches("^memory (by cgroup|sampled .*); nice by the kernel for each process; workspace measured on disk$", checks["limits"].GetProperty("message").GetString());
    }

    [Theory(Timeout = 180_000)]
    [InlineData("echo 'oz 1.2'", "ok", "(oz 1.2)")]
    [InlineData("exit 3", "warn", "did not answer --version, it ended with 3.")]
    [InlineData("kill -9 $$", "warn", "did not answer --version, it was ended by signal SIGKILL.")]
    [InlineData("kill -9 $PPID; sleep 600", "warn", "did not answer --version in time.")]
    public async Task What_an_agent_left_running_that_the_doctor_asked_is_ended(string answer, string status, string said)
    {
        var marker = $"doctor-{Guid.NewGuid():N}";
        _ozf.Write("oz", $"#!/bin/sh\n( setsid env -i sh -c 'sleep 600; : {marker}' & )\n{answer}\n");
        File.SetUnixFileMode($"{_ozf.Place}/oz", (UnixFileMode)0x1ED);
        _ozf.Write("ozf.yaml", $"backend: {{direct: {{oz_path: {_ozf.Place}/oz, workspace_root: {_ozf.Place}/ws}}}}");

        var found = (await _ozf.RunAsync("doctor", "--config-file", "ozf.yaml", "--output", "json")).Json.GetProperty("checks").EnumerateArray().Single(check => check.GetProperty("check").GetString() == "agent");

        Assert.Equal((status, $"{_ozf.Place}/oz {said}"), (found.GetProperty("status").GetString(), found.GetProperty("message").GetString()));
        Assert.Empty(Testing.ProcessTable.WithTag(marker));
    }

    [Fact(Timeout = 180_000)]
    public async Task The_doctor_says_what_is_missing_and_the_way_out()
    {
        _ozf.Write("ozf.yaml", $"backend: {{direct: {{oz_path: /nonexistent/oz, workspace_root: {_ozf.Place}/ws}}}}");

        var answer = (await _ozf.RunAsync("doctor", "--config-file", "ozf.yaml")).Ends(ExitCodes.Failed);

        Assert.Contains("FAIL  agent", answer.Output, StringComparison.Ordinal);
        Assert.Contains("backend.direct.oz_path", answer.Output, StringComparison.Ordinal);
        Assert.Contains("warn  WARP_API_KEY", answer.Output, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task The_doctor_tells_of_a_workspace_root_that_cannot_be_made_once()
    {
        _ozf.Write("file", "");
        _ozf.Write("ozf.yaml", $"backend: {{direct: {{oz_path: {Path.Combine(AppContext.BaseDirectory, "fake-oz")}, workspace_root: {_ozf.Place}/file/ws}}}}");

        var answer = (await _ozf.RunAsync("doctor", "--config-file", "ozf.yaml")).Ends(ExitCodes.Failed);

        Assert.Matches("FAIL  workspaces +the workspace root .*/file/ws cannot be made", answer.Output);
        Assert.Equal(1, System.Text.RegularExpressions.Regex.Count(answer.Output, "^FAIL", System.Text.RegularExpressions.RegexOptions.Multiline));
        Assert.Contains("1 problem must be solved before a worker can run here.", answer.Output, StringComparison.Ordinal);
    }
}
