using System.Text.Json;
using OzFunctions.Cli.Tests.Processes;
using OzFunctions.Cli.Tests.Unmanaged;
using OzFunctions.Configuration;
using OzFunctions.Direct;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.Cli.Tests.Parity;

/// <summary>What users of the vendor's direct backend bring along (facts B1, B2, C2, I2).</summary>
public sealed class ParityTests
{
    private const int Limit = 600_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static string Sample => File.ReadAllText(Path.GetFullPath("../../samples/config/oz-agent-worker-direct.yaml", TestPackages.Directory));

    [Fact]
    public void Defaults_are_the_vendors()
    {
        var configuration = ConfigurationReader.Read("worker_id: w").Configuration!;

        Assert.True(configuration.Cleanup);
        Assert.Null(configuration.MaxConcurrentTasks);
        Assert.Equal("/var/lib/oz/workspaces", new DirectOptions().WorkspaceRoot);
        Assert.Empty(ConfigurationReader.Read(Sample).Faults);
    }

    [Theory]
    [InlineData("docker: {volumes: [/a:/b]}", "backend.docker")]
    [InlineData("kubernetes: {namespace: agents}", "backend.kubernetes")]
    [InlineData("command: {dispatch_command: ./go}", "backend.command")]
    public void Other_backends_are_refused_with_the_way_out(string backend, string key)
    {
        var fault = Assert.Single(ConfigurationReader.Read($"worker_id: w\nbackend:\n  {backend}\n").Faults);

        Assert.Equal(key, fault.Key);
        Assert.Contains("configure 'backend.direct'", fault.ToString(), StringComparison.Ordinal);
        Assert.Contains("oz-agent-worker", fault.ToString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_published_configuration_is_taken_as_it_is_and_runs_step_by_step()
    {
        await using var rig = new OzfProcessRig();
        var trace = Path.Combine(rig.Place, "trace");
        var setup = rig.Script("setup.sh", $"""
            echo "setup $(pwd) $OZ_WORKSPACE_ROOT $OZ_WORKER_BACKEND $OZ_RUN_ID $MY_VAR key=$WARP_API_KEY" >> {trace}
            stat -c 'mode %a %a' "$OZ_WORKSPACE_ROOT" | cut -d' ' -f1,2 >> {trace}
            stat -c 'envfile %a' "$OZ_ENVIRONMENT_FILE" >> {trace}
            echo 'export MY_VAR="from setup"' >> "$OZ_ENVIRONMENT_FILE"
            """);
        var teardown = rig.Script("teardown.sh", $"""echo "teardown $(pwd) $OZ_WORKSPACE_ROOT $OZ_WORKER_BACKEND $OZ_RUN_ID ${"{OZ_ENVIRONMENT_FILE-unset}"} $MY_VAR key=$WARP_API_KEY" >> {trace}""");
        var agent = rig.Script("oz", $"""
            [ "$1" = --version ] && echo 'oz 9.9' && exit 0
            echo "agent $(pwd) $MY_VAR run=$OZ_RUN_ID home=$HOME lang=${"{LANG-unset}"} key=$WARP_API_KEY" >> {trace}
            env | cut -d= -f1 | sort | tr '\n' ' ' >> {trace}
            """);
        var file = Path.Combine(rig.Place, "vendor.yaml");
        await File.WriteAllTextAsync(
            file,
            Sample.Replace("/var/lib/oz/workspaces", rig.Place + "/root", StringComparison.Ordinal).Replace("/usr/local/bin/oz", agent, StringComparison.Ordinal)
                .Replace("/opt/scripts/setup.sh", setup, StringComparison.Ordinal).Replace("/opt/scripts/teardown.sh", teardown, StringComparison.Ordinal),
            Cancellation);
        var environment = new Dictionary<string, string?> { ["WARP_API_KEY"] = "wk-host-key-12345", ["LANG"] = "de_DE.UTF-8" };

        string id;
        JsonElement run;
        do
        {
            // An agent that a busy machine keeps from answering within five seconds has no version in that run.
            File.Delete(trace);
            var submit = rig.Start(["run", "-p", "x", "--config-file", file], new(environment));
            Assert.Equal(0, await submit.WaitForExitAsync(Cancellation));
            id = submit.Output[0];
            var worker = rig.Start(["worker", "--once", "--config-file", file, "--worker-id", "direct-worker", "--backend", "direct"], new(environment));
            Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
            run = await rig.GetAsync(id);
            Assert.True(run.GetProperty("state").GetString() == "SUCCEEDED", run.ToString());
        }
        while (!run.GetProperty("attempts")[0].TryGetProperty("agent_version", out _));

        Assert.Equal("oz 9.9", run.GetProperty("attempts")[0].GetProperty("agent_version").GetString());
        var workspace = $"{rig.Place}/root/{id}-1";
        var lines = await File.ReadAllLinesAsync(trace, Cancellation);
        Assert.Equal($"setup {workspace} {workspace} direct {id} hello key=", lines[0]);
        Assert.Equal("mode 700", lines[1]);
        Assert.Equal("envfile 600", lines[2]);
        Assert.Equal($"agent {workspace} from setup run= home={rig.Place} lang=unset key=", lines[3]);
        Assert.DoesNotContain("WARP_API_KEY", lines[4], StringComparison.Ordinal);
        Assert.Equal($"teardown {workspace} {workspace} direct {id} unset hello key=", lines[4][lines[4].IndexOf("teardown", StringComparison.Ordinal)..]);
        Assert.False(Directory.Exists(workspace));
        var log = await rig.RunAsync("runs", "logs", "--raw", id);
        Assert.Contains("Audit: ", log.Output, StringComparison.Ordinal);
        Assert.Contains("oz 9.9", log.Output, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Every_flag_of_the_vendors_worker_is_taken()
    {
        await using var rig = new OzfProcessRig();
        await rig.SubmitAsync("env A C TMPDIR", "--host", "w-1");

        var worker = rig.Start(
            "worker", "--api-key", "wk-from-the-flag-1", "--worker-id", "w-1", "--backend", "direct", "--log-level", "debug", "--no-cleanup", "-e", "A=b,c", "--env", "C=d", "-e", "WARP_API_KEY",
            "--max-concurrent-tasks", "-1", "--idle-on-complete", "0 sec", "-e", "TMPDIR=/big/tmp", "--server-root-url", "https://app.warp.dev", "--web-socket-url", "wss://x", "--session-sharing-server-url", "wss://y", "--once");

        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
        Assert.Contains(worker.Errors, line => line.Contains("--server-root-url", StringComparison.Ordinal) && line.Contains("no effect", StringComparison.Ordinal));
        Assert.Contains(worker.Errors, line => line.Contains("a container or a virtual machine is the boundary", StringComparison.Ordinal));
        Assert.Contains(worker.Errors, line => line.Contains("TMPDIR in environment has no effect", StringComparison.Ordinal));
        Assert.DoesNotContain(worker.Errors, line => line.Contains("wk-from-the-flag-1", StringComparison.Ordinal));
        var run = await rig.LastRunAsync();
        var log = await rig.RunAsync("runs", "logs", run.GetProperty("run_id").GetString()!);
        Assert.Contains("env A=b,c", log.Output, StringComparison.Ordinal);
        Assert.Contains($"env TMPDIR={rig.Place}/ws/.ozf/", log.Output, StringComparison.Ordinal);
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(rig.Place, "ws")), path => !path.EndsWith(".ozf", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_empty_name_of_the_configuration_is_not_given()
    {
        using var rig = new OzfRig();
        rig.Environment["OZF_CONFIG"] = rig.Write("ozf.yaml", "worker_id: from-file");

        var shown = (await rig.RunAsync("config", "show", "--config-file", "")).Ends(0);

        Assert.Contains("worker_id: from-file", shown.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-v", "/a:/b")]
    [InlineData("--volumes", "/a:/b,/c:/d")]
    public async Task Volumes_are_refused_with_the_way_out(params string[] flag)
    {
        using var rig = new OzfRig();

        var answer = await rig.RunAsync(["worker", .. flag, "--backend", "direct"]);
        var help = await rig.RunAsync("worker", "--help");

        answer.Ends(64);
        Assert.Contains("leave it out", answer.Error, StringComparison.Ordinal);
        Assert.Contains("oz-agent-worker", answer.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("volumes", help.Output, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Teardown_runs_after_a_cancel_and_after_a_shutdown_and_is_told_which()
    {
        await using var rig = new OzfProcessRig("""    teardown_command: 'echo "$OZF_RUN_REASON" >> "$OZ_WORKSPACE_ROOT/../../trace"'""");
        var worker = rig.Start("worker", "--drain-timeout", "0s");
        var cancelled = rig.Start("run", "--wait", "-p", "fake:say ready; hang");
        await cancelled.WaitForLineAsync("ready", Cancellation);

        Assert.Equal(0, (await rig.RunAsync("runs", "cancel", cancelled.Output[0])).ExitCode);
        Assert.Equal(130, await cancelled.WaitForExitAsync(Cancellation));
        var interrupted = rig.Start("run", "--wait", "-p", "fake:say ready; hang");
        await interrupted.WaitForLineAsync("ready", Cancellation);
        worker.Signal(Signals.Terminate);

        Assert.Equal(0, await worker.WaitForExitAsync(Cancellation));
        Assert.Equal(["task_cancelled", "graceful_shutdown"], await File.ReadAllLinesAsync(Path.Combine(rig.Place, "trace"), Cancellation));
    }

    [Fact(Timeout = Limit)]
    public async Task A_target_directory_must_exist()
    {
        await using var rig = new OzfProcessRig();

        var missing = await rig.RunAsync("worker", "--target-dir", "nowhere");
        var file = await rig.RunAsync("worker", "--target-dir", "ozf.yaml");

        Assert.Equal((64, 64), (missing.ExitCode, file.ExitCode));
        Assert.Contains("does not exist", missing.Error, StringComparison.Ordinal);
        Assert.Contains("is not a directory", file.Error, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_policy_refuses_runs_by_sender_agent_and_veto_with_the_reason_kept()
    {
        await using var rig = new OzfProcessRig();
        var veto = rig.Script("veto.sh", """grep -q forbidden && { echo 'not on a Friday'; exit 3; }; exit 0""");
        await File.AppendAllTextAsync(Path.Combine(rig.Place, "ozf.yaml"), $"\npolicy: {"{"}senders: ['*@example.com'], agents: [oz], veto_command: {veto}{"}"}\n", Cancellation);
        rig.Start("worker");

        Assert.Equal(("FAILED", "policy_refused"), await EndAsync("mallory", "policy.senders"));
        Assert.Equal(("FAILED", "policy_refused"), await EndAsync("a@example.com", "policy.agents", "--harness", "claude"));
        Assert.Equal(("FAILED", "policy_refused"), await EndAsync("a@example.com", "not on a Friday", "--title", "forbidden"));
        Assert.Equal(("SUCCEEDED", "completed"), await EndAsync("a@example.com", ""));

        async Task<(string?, string?)> EndAsync(string sender, string message, params string[] flags)
        {
            var call = rig.Start(["run", "--wait", "-p", "fake:noop", .. flags], new() { ["USER"] = sender });
            await call.WaitForExitAsync(Cancellation);
            var run = await rig.GetAsync(call.Output[0]);
            Assert.Contains(message, run.TryGetProperty("message", out var said) ? said.GetString() : "", StringComparison.Ordinal);

            // Refused is refused: no second attempt would find another policy.
            Assert.Equal(1, run.GetProperty("attempt").GetInt32());
            return (run.GetProperty("state").GetString(), run.GetProperty("reason").GetString());
        }
    }
}
