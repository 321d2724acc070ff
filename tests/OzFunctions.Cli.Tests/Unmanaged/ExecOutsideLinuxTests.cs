using System.Text.Json;
using System.Text.Json.Nodes;
using OzFunctions.Cli.Tests.Processes;
using OzFunctions.Direct.Shims.InProcess;
using OzFunctions.Local;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Unmanaged;

/// <summary>The same <c>ozf exec</c> as it is on systems that have no shim: no call of Linux alone, and its own process supervises the agent.</summary>
public sealed class ExecOutsideLinuxTests : ExecTests, IDisposable
{
    private readonly TempDirectory _program = new();

    public ExecOutsideLinuxTests()
    {
        var here = AppContext.BaseDirectory;
        var settings = JsonNode.Parse(File.ReadAllText(Path.Combine(here, "ozf.runtimeconfig.json")))!;
        settings["runtimeOptions"]!["configProperties"]![HostSystem.Switch] = true;
        File.WriteAllText(_program["ozf.json"], settings.ToJsonString());
        var dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        File.WriteAllText(_program["ozf"], $"#!/bin/sh\nexec '{dotnet}' exec --runtimeconfig '{_program["ozf.json"]}' '{Path.Combine(here, "ozf.dll")}' \"$@\"\n");
        File.SetUnixFileMode(_program["ozf"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    public void Dispose() => _program.Dispose();

    [Fact(Timeout = Limit)]
    public async Task The_record_says_what_is_left_out_and_no_shim_was_there()
    {
        await using var rig = NewRig();

        var exec = await rig.RunAsync("exec", "--agent-command", "sh -c 'echo hi; exit 3'");

        Assert.Equal((3, "hi"), (exec.ExitCode, exec.Output));
        var attempt = (await rig.LastRunAsync()).GetProperty("attempts")[0];
        Assert.Contains(attempt.GetProperty("warnings").EnumerateArray(), warning => warning.GetString() == InProcessShims.Missing);
        Assert.False(Directory.Exists(Path.Combine(rig.Data, "exec", ".ozf", "bin")));
    }

    [Fact(Timeout = Limit)]
    public async Task What_stayed_in_the_agents_group_ends_with_it()
    {
        await using var rig = NewRig();
        var agent = rig.Script("agent.sh", "sleep 600 & echo started; exit 4");

        var exec = await rig.RunAsync("exec", "--agent-command", agent);

        Assert.Equal((4, "started"), (exec.ExitCode, exec.Output));
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public override async Task The_agent_ends_when_its_exec_is_killed_and_the_next_command_settles_the_run()
    {
        await using var rig = NewRig();
        var exec = rig.Start("exec", "--agent-command", rig.Script("agent.sh", "echo ready\nexec sleep 600"));
        await exec.WaitForLineAsync("ready", Cancellation);

        await exec.KillAsync();
        Assert.Equal("INPROGRESS", (await rig.LastRunAsync()).GetProperty("state").GetString());
        Assert.NotEmpty(ProcessTable.WithTag(rig.Place));
        var sync = await rig.RunAsync("sync");

        Assert.True(sync.ExitCode == 0, sync.Error);
        await ProcessTable.AssertNoneAsync(rig.Place, Cancellation);
        var run = await rig.LastRunAsync();
        Assert.Equal(("ERROR", "host_lost"), (run.GetProperty("state").GetString(), run.GetProperty("reason").GetString()));
        Assert.True(run.GetProperty("attempts")[0].GetProperty("log").GetProperty("sealed").GetBoolean());
    }

    [Fact(Timeout = Limit)]
    public async Task An_agent_whose_end_nobody_can_tell_has_not_succeeded()
    {
        await using var rig = NewRig();

        // Where SIGCHLD is ignored the system takes children in by itself.
        var (code, output, _) = await rig.RawAsync("trap '' CHLD; ozf exec --agent-command \"sh -c 'echo hi; exit 3'\"");

        Assert.Equal("hi\n", output);
        var run = await rig.LastRunAsync();
        Assert.Contains((code, run.GetProperty("reason").GetString()), new (int, string?)[] { (3, "agent_invocation"), (70, "host_lost") });
    }

    [Fact(Timeout = Limit)]
    public async Task A_worker_says_that_it_needs_Linux_and_the_doctor_what_exec_lacks()
    {
        await using var rig = NewRig();

        var worker = await rig.RunAsync("worker");
        var doctor = await rig.RunAsync("doctor", "--output", "json");

        Assert.Equal(69, worker.ExitCode);
        Assert.Contains("needs Linux", worker.Error, StringComparison.Ordinal);
        var checks = JsonDocument.Parse(doctor.Output).RootElement.GetProperty("checks").EnumerateArray().ToList();
        Assert.Equal(InProcessShims.Missing, checks.Single(check => check.GetProperty("check").GetString() == "ozf exec").GetProperty("message").GetString());
        Assert.Equal("fail", checks.Single(check => check.GetProperty("check").GetString() == "platform").GetProperty("status").GetString());
    }

    private protected override OzfProcessRig NewRig() => new() { Program = _program["ozf"] };
}
