using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Commands;

/// <summary>Trees that fork faster than they are killed, each inside a bound on the number of processes.</summary>
public sealed class BombTests
{
    public static TheoryData<string, string> Bombs => new()
    {
        { "one session", "$SIG{CHLD} = 'IGNORE'; while (1) { fork }" },
        { "every process a session of its own", "$SIG{CHLD} = 'IGNORE'; while (1) { my $p = fork; POSIX::setsid() if defined $p && !$p }" },
        { "deaf to every signal", "$SIG{$_} = 'IGNORE' for qw(CHLD INT TERM HUP QUIT); while (1) { fork }" },
    };

    [Theory(Timeout = 240_000)]
    [MemberData(nameof(Bombs))]
    public async Task A_fork_bomb_is_ended(string shape, string bomb)
    {
        await using var group = await PidsGroup.GetAsync();
        await using var rig = new ShimRig();
        using var host = await HostProcess.StartAsync(rig, TimeSpan.FromMinutes(2), $"while [ ! -e go ]; do sleep 0.02; done; exec perl -MPOSIX -e '{bomb.Replace("'", "'\\''", StringComparison.Ordinal)}'", group.EntryFile);
        await host.ShootAsync();
        var session = await rig.AttachAsync();
        group.AssertHolds(session.Status.Pid);
        group.AssertHolds(session.Status.Find(ShimPhase.Agent)!.Pid);
        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "go"), "", ShimRig.Cancellation);
        await group.FullAsync();

        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.Zero, ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.True(status is { Clean: true, StoppedBy: ShimStopCause.Cancel }, $"{shape}: left over {string.Join(", ", status.LeftOver)}");
        Assert.Single(Tagged.Processes(session.Status.Tag));
        await session.EndAsync(ShimRig.Cancellation);
        Assert.Equal(0, await ShimRig.Shims.SweepAsync(rig.PrivateDirectory, ShimRig.Cancellation));
    }

    [Fact(Timeout = 240_000)]
    public async Task Processes_that_hop_from_session_to_session_for_ever_are_ended()
    {
        await using var group = await PidsGroup.GetAsync();
        await using var rig = new ShimRig();
        const string Hop = "POSIX::setsid(); while (1) { exit if fork; POSIX::setsid() }";
        using var host = await HostProcess.StartAsync(
            rig, TimeSpan.FromMinutes(2), $"while [ ! -e go ]; do sleep 0.02; done; i=0; while [ $i -lt 16 ]; do perl -MPOSIX -e '{Hop}' & i=$((i+1)); done; echo hopping; exec sleep 300", group.EntryFile);
        await host.ShootAsync();
        var session = await rig.AttachAsync();
        group.AssertHolds(session.Status.Find(ShimPhase.Agent)!.Pid);
        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "go"), "", ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "hopping");

        await session.StopAsync(ShimStopCause.Timeout, TimeSpan.Zero, ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.True(status.Clean, string.Join(", ", status.LeftOver));
        Assert.Single(Tagged.Processes(session.Status.Tag));
    }

    [Fact(Timeout = 240_000)]
    public async Task What_hops_is_ended_also_when_the_shim_is_shot()
    {
        await using var group = await PidsGroup.GetAsync();
        await using var rig = new ShimRig();
        const string Hop = "POSIX::setsid(); while (1) { exit if fork; POSIX::setsid(); select(undef, undef, undef, 0.001) }";
        using var host = await HostProcess.StartAsync(
            rig, TimeSpan.FromMinutes(2), $"while [ ! -e go ]; do sleep 0.02; done; perl -MPOSIX -e '{Hop}' >/dev/null 2>&1 & echo hopping; exec sleep 300", group.EntryFile);
        await host.ShootAsync();
        var session = await rig.AttachAsync();
        group.AssertHolds(session.Status.Find(ShimPhase.Agent)!.Pid);
        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "go"), "", ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "hopping");

        Assert.Equal(0, Signals.Send(session.Status.Pid, "KILL"));
        await Assert.ThrowsAsync<Direct.Shims.ShimLostException>(() => session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation));
        Assert.True(await ShimRig.Shims.SweepAsync(rig.PrivateDirectory, ShimRig.Cancellation) >= 2);

        Assert.Empty(Tagged.Processes(session.Status.Tag));
    }
}
