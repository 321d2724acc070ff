using OzFunctions.Backends;
using OzFunctions.Direct.Shims;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Agents;

/// <summary>An agent's own file is asked for its version: what it says goes into the record, and nothing else of it stays.</summary>
public sealed class AgentVersionTests
{
    private const int Limit = 240_000;

    [Theory(Timeout = Limit)]
    [InlineData("( setsid sleep 600 </dev/null >/dev/null 2>&1 & )")]
    [InlineData("( setsid env -i sleep 600 & )")]
    [InlineData("sleep 600 &")]
    public async Task What_the_question_left_running_is_ended_before_the_agent_starts(string escape)
    {
        var marker = $"version-{Guid.NewGuid():N}";
        await using var rig = NewRig(escape.Replace("sleep 600", $"sh -c 'sleep 600; : {marker}'", StringComparison.Ordinal) + "\necho 'oz 9.9'; echo more");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        IReadOnlyList<Testing.ProcessTable.Entry>? left = null;
        attempt.OnPassed = step => left = step == Protocol.ProtocolStep.C10 ? Testing.ProcessTable.WithTag(marker) : left;

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.Completed, "oz 9.9"), (outcome.Reason, outcome.Attempt.AgentVersion));
        Assert.Empty(left!);
        Assert.False(Directory.Exists(Path.Combine(rig.PrivateOf(attempt), "version")));
    }

    [Fact(Timeout = Limit)]
    public async Task It_sees_path_and_home_only()
    {
        await using var rig = NewRig("/usr/bin/tr '\\0' '\\n' </proc/$$/environ | /usr/bin/cut -d= -f1 | /usr/bin/sort | /usr/bin/tr '\\n' ' '");

        Assert.Equal("HOME PATH", (await rig.RunAsync(new RunRequest { Prompt = "x" })).Attempt.AgentVersion);
    }

    [Fact(Timeout = Limit)]
    public async Task What_it_says_is_masked()
    {
        await using var rig = NewRig("echo 'oz a-secret-of-the-host 9'");
        rig.Options = rig.Options with { OtherSecrets = ["a-secret-of-the-host"] };

        Assert.Equal("oz *** 9", (await rig.RunAsync(new RunRequest { Prompt = "x" })).Attempt.AgentVersion);
    }

    [Theory(Timeout = Limit)]
    [InlineData("sleep 600")]
    [InlineData("trap '' INT TERM; sleep 600 & wait; sleep 600")]
    [InlineData("(setsid sleep 600 >/dev/null 2>&1 &); rm -f \"$(tr '\\0' '\\n' </proc/$PPID/cmdline | sed -n 2p)/status.json\"; kill -9 $PPID; sleep 600")]
    [InlineData("(setsid timeout 170 sh -c \"while kill -STOP $PPID; do :; done\" >/dev/null 2>&1 &); sleep 600")]
    [InlineData("exit 3")]
    public async Task One_that_does_not_answer_holds_no_run_up_and_leaves_nothing(string script)
    {
        var marker = $"version-{Guid.NewGuid():N}";
        await using var rig = NewRig(script.Replace("sleep 600", $"sh -c 'sleep 600; : {marker}'", StringComparison.Ordinal));
        rig.Options = rig.Options with { VersionTimeout = TimeSpan.FromSeconds(5) };

        var outcome = await rig.RunAsync(new RunRequest { Prompt = "x" });

        Assert.Equal((RunReason.Completed, null), (outcome.Reason, outcome.Attempt.AgentVersion));
        Assert.Empty(Testing.ProcessTable.WithTag(marker));
    }

    [Theory(Timeout = Limit)]
    [InlineData(StopOrder.Cancel, RunReason.TaskCancelled)]
    [InlineData(StopOrder.Shutdown, RunReason.GracefulShutdown)]
    [InlineData(StopOrder.Fenced, RunReason.HostLost)]
    public async Task An_order_that_comes_while_it_is_asked_keeps_the_agent_from_being_executed(StopOrder order, RunReason reason)
    {
        await using var rig = NewRig(": >\"$HOME/asked\"; sleep 3600");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["asked"]);

        attempt.Order(order);
        var outcome = await running;

        Assert.Equal((reason, 0), (outcome.Reason, attempt.Starts));
        Assert.DoesNotContain(Protocol.ProtocolStep.C10, attempt.Steps);
        Assert.False(Directory.Exists(Path.Combine(rig.PrivateOf(attempt), "version")));
    }

    [Fact(Timeout = Limit)]
    public async Task It_is_asked_once_until_its_file_is_another()
    {
        await using var rig = NewRig("echo x >>\"$HOME/asked\"; echo 'oz 1'");
        var backend = rig.CreateBackend();

        for (var run = 0; run < 3; run++)
        {
            Assert.Equal("oz 1", (await backend.RunAsync(rig.Claim(new RunRequest { Prompt = "x" }, backend), BackendRig.Cancellation)).Attempt.AgentVersion);
        }

        Assert.Equal("x\n", File.ReadAllText(rig.Temp["asked"]));
        File.SetLastWriteTimeUtc(rig.Options.OzPath!, TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(1));
        await backend.RunAsync(rig.Claim(new RunRequest { Prompt = "x" }, backend), BackendRig.Cancellation);
        Assert.Equal("x\nx\n", File.ReadAllText(rig.Temp["asked"]));
    }

    [Theory(Timeout = Limit)]
    [InlineData("version", false)]
    [InlineData("version", true)]
    [InlineData("veto", true)]
    public async Task What_a_host_and_its_supervisor_left_that_were_killed_while_they_asked_goes_with_the_next_host(string asked, bool discarded)
    {
        var marker = $"version-{Guid.NewGuid():N}";
        await using var rig = NewRig("echo 'oz 1'");
        var first = rig.Claim(new RunRequest { Prompt = "x" });
        var directory = Directory.CreateDirectory(Path.Combine(rig.PrivateOf(first), asked)).FullName;
        await using (var session = await new Shims.Shims(BackendRig.Binary, TimeProvider.System).LaunchAsync(new() { PrivateDirectory = directory, Lease = TimeSpan.FromMinutes(5), EndsWithHost = true }, BackendRig.Cancellation))
        {
            await session.StartAsync(
                new() { Phase = ShimPhase.Setup, Arguments = ["/bin/sh", "-c", $"sleep 600; : {marker}"], Environment = ["PATH=/usr/bin:/bin"], WorkingDirectory = "/" }, BackendRig.Cancellation);
            Testing.Signals.Send(session.Status.Pid, Testing.Signals.Kill);
            await Assert.ThrowsAsync<ShimLostException>(() => session.WaitAsync(ShimPhase.Setup, BackendRig.Cancellation));
        }

        Assert.NotEmpty(Testing.ProcessTable.WithTag(marker));
        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        if (discarded)
        {
            await second.Directory.DiscardAsync(BackendRig.Cancellation);
        }
        else
        {
            // Nothing is asked any more.
            second.Order(StopOrder.Cancel);
            Assert.Equal(RunReason.TaskCancelled, (await backend.RunAsync(second, BackendRig.Cancellation)).Reason);
        }

        Assert.Empty(Testing.ProcessTable.WithTag(marker));
    }

    /// <param name="answer">What the agent does when it is asked.</param>
    private static BackendRig NewRig(string answer)
    {
        var rig = new BackendRig();
        rig.Options = rig.Options with { AsksVersion = true, VersionTimeout = TimeSpan.FromMinutes(2), OzPath = rig.Temp.Write("bin/oz", $"#!/bin/sh\n[ \"$1\" = --version ] || exit 0\n{answer}\n", executable: true) };
        return rig;
    }
}
