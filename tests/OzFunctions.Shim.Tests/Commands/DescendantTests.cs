using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Commands;

public sealed class DescendantTests
{
    public static TheoryData<string, string> Escapes => new()
    {
        { "holds stdout", "sleep 300 &" },
        { "nohup", "nohup sleep 300 >/dev/null 2>&1 &" },
        { "setsid", "setsid sleep 300 </dev/null >/dev/null 2>&1 &" },
        { "double fork", "( ( sleep 300 </dev/null >/dev/null 2>&1 & ) & );" },
        { "empty environment", "setsid env -i /bin/sh -c 'cd /; /bin/sleep 300 & exec /bin/sleep 300' </dev/null >/dev/null 2>&1 &" },
        { "ignores every signal", "sh -c \"trap '' INT TERM HUP QUIT; sleep 300 & wait; while :; do sleep 300; done\" &" },
        { "stopped", "sh -c 'kill -STOP $$; sleep 300' &" },
        { "chain of sessions", "setsid sh -c 'setsid sh -c \"setsid sh -c \\\"sleep 300 & sleep 300\\\" & sleep 300\" & sleep 300' &" },
    };

    [Theory(Timeout = 180_000)]
    [MemberData(nameof(Escapes))]
    public async Task No_descendant_survives_the_end(string shape, string script)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Sh($"{script} echo started; sleep 0.2; exit 6"));

        Assert.Equal((6, null, true), (status.ExitCode, status.StoppedBy, status.Clean));
        Assert.True(status.EndedDescendants > 0, shape);
        Assert.Contains("left running", rig.Output(SpoolStream.Shim), StringComparison.Ordinal);
        Assert.Equal("started\n", rig.Output(SpoolStream.AgentOut));
        Assert.Single(Tagged.Processes(session.Status.Tag));
        Assert.InRange((status.EndedAt - status.StartedAt)!.Value, TimeSpan.Zero, TimeSpan.FromMinutes(2));
    }

    [Theory(Timeout = 180_000)]
    [MemberData(nameof(Escapes))]
    public async Task No_descendant_survives_a_stop(string shape, string script)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh($"{script} trap 'echo {shape} INT' INT; echo started; while :; do sleep 0.05; done"), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "started");

        await session.StopAsync(ShimStopCause.Timeout, TimeSpan.FromMilliseconds(50), ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal((true, ShimStopCause.Timeout), (status.Clean, status.StoppedBy));
        Assert.Single(Tagged.Processes(session.Status.Tag));
    }

    [Fact(Timeout = 180_000)]
    public async Task Runs_side_by_side_do_not_touch_each_other()
    {
        await using var first = new ShimRig();
        await using var second = new ShimRig();
        var one = await first.LaunchAsync();
        var two = await second.LaunchAsync();
        await one.StartAsync(first.Sh("setsid sleep 300 & sleep 300 & echo up; wait"), ShimRig.Cancellation);
        await two.StartAsync(second.Sh("setsid sleep 300 & sleep 300 & echo up; wait"), ShimRig.Cancellation);
        await first.OutputHoldsAsync(one, "up");
        await second.OutputHoldsAsync(two, "up");

        await one.StopAsync(ShimStopCause.Cancel, TimeSpan.Zero, ShimRig.Cancellation);
        await one.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);
        await one.EndAsync(ShimRig.Cancellation);
        Assert.Equal(0, await ShimRig.Shims.SweepAsync(first.PrivateDirectory, ShimRig.Cancellation));

        Assert.Empty(Tagged.Processes(one.Status.Tag));
        Assert.Equal(4, Tagged.Processes(two.Status.Tag).Length);
        Assert.False(two.Status.Find(ShimPhase.Agent)!.Ended);
    }

    [Fact(Timeout = 180_000)]
    public async Task Three_hundred_processes_are_ended()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Sh("i=0; while [ $i -lt 150 ]; do sleep 300 & setsid sleep 300 & i=$((i+1)); done; exit 0"));

        Assert.Equal((0, true), (status.ExitCode, status.Clean));
        Assert.InRange(status.EndedDescendants, 290, 310);
        Assert.Single(Tagged.Processes(session.Status.Tag));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_hopping_process_is_caught()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "hop"), "setsid sh ./hop &\n", ShimRig.Cancellation);

        var status = await rig.RunAsync(session, rig.Sh("sh ./hop >/dev/null 2>&1; sleep 0.3; exit 0"));

        Assert.Equal((0, true), (status.ExitCode, status.Clean));
        Assert.Single(Tagged.Processes(session.Status.Tag));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shot_shim_is_told_and_the_sweep_ends_what_it_left()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(
            rig.Sh("setsid sleep 300 & (sleep 300 &) ; setsid env -i /bin/sleep 300 </dev/null >/dev/null 2>&1 & nohup sleep 300 >/dev/null 2>&1 & echo up; sleep 300"), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "up");
        var tag = session.Status.Tag;
        var waiting = session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal(0, Signals.Send(session.Status.Pid, "KILL"));
        await Assert.ThrowsAsync<ShimLostException>(() => waiting);

        Assert.Null(await ShimRig.Shims.TryAttachAsync(rig.PrivateDirectory, ShimRig.Cancellation));
        Assert.False(ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!.Find(ShimPhase.Agent)!.Ended);
        Assert.True(Tagged.Processes(tag).Length >= 5);
        Assert.True(await ShimRig.Shims.SweepAsync(rig.PrivateDirectory, ShimRig.Cancellation) >= 5);
        Assert.Empty(Tagged.Processes(tag));
        Assert.False(Directory.Exists($"/proc/{session.Status.Pid}"), "The shot shim is a zombie");
        await Assert.ThrowsAsync<ShimLostException>(() => session.StartAsync(rig.Sh("true", ShimPhase.Teardown), ShimRig.Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shim_inside_a_run_is_ended_with_it()
    {
        await using var rig = new ShimRig();
        await using var inner = new ShimRig();
        var session = await rig.LaunchAsync();
        var host = rig.Command(
            ShimPhase.Agent, Path.Combine(AppContext.BaseDirectory, "OzFunctions.Shim.Tests"), "host", inner.PrivateDirectory, inner.Workspace, "600", "setsid sleep 300 & exec sleep 300");
        await session.StartAsync(host with { Environment = [.. ShimRig.PlainEnvironment, "DOTNET_EnableDiagnostics=0", $"HOME={rig.Workspace}", .. DotnetRoot] }, ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "\n");
        var innerStatus = ShimRig.Shims.ReadStatus(inner.PrivateDirectory)!;
        inner.Watch(innerStatus.Tag);
        Assert.NotEqual(session.Status.Tag, innerStatus.Tag);
        Assert.NotEmpty(Tagged.Processes(innerStatus.Tag));

        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.Zero, ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.True(status.Clean);
        Assert.Empty(Tagged.Processes(innerStatus.Tag));
    }

    private static IEnumerable<string> DotnetRoot =>
        Environment.GetEnvironmentVariable("DOTNET_ROOT") is { } root ? [$"DOTNET_ROOT={root}"] : [];

    [Fact(Timeout = 180_000)]
    public async Task Polite_signals_do_not_end_a_shim()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh("echo up; sleep 0.5; exit 9"), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "up");

        foreach (var signal in (string[])["TERM", "INT", "HUP", "QUIT", "PIPE"])
        {
            Signals.Send(session.Status.Pid, signal);
        }

        Assert.Equal(9, (await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation)).ExitCode);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_command_cannot_read_the_shim()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Sh($"grep -E '^(Dumpable|Max file locks)' /proc/{session.Status.Pid}/limits; stat -c %U /proc/{session.Status.Pid}/environ; tr '\\0' '\\n' < /proc/{session.Status.Pid}/environ"));

        // Root reads everything; what stands there is not the host's either way.
        Assert.NotNull(status.ExitCode);
        Assert.DoesNotContain("PATH=", rig.Output(SpoolStream.AgentOut), StringComparison.Ordinal);
        Assert.Contains(session.Status.Tag.ToString(), rig.Output(SpoolStream.AgentOut), StringComparison.Ordinal);
    }
}
