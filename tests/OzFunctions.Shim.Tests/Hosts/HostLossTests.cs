using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Hosts;

public sealed class HostLossTests
{
    private static string TornDown(ShimRig rig) => Path.Combine(rig.Workspace, "torn-down");

    [Fact(Timeout = 180_000)]
    public async Task A_shim_survives_its_shot_host_and_the_next_one_sees_the_true_exit_code()
    {
        await using var rig = new ShimRig();
        using var host = await HostProcess.StartAsync(rig, TimeSpan.FromMinutes(10), "echo before; while [ ! -e go ]; do sleep 0.02; done; echo after; exit 42");
        var watched = await rig.AttachAsync();
        await rig.OutputHoldsAsync(watched, "before");

        await host.ShootAsync();
        var session = await rig.AttachAsync();
        Assert.False(session.Status.Find(ShimPhase.Agent)!.Ended);
        Assert.Equal(host.ShimPid, session.Status.Pid);
        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "go"), "", ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal((42, null), (status.ExitCode, status.StoppedBy));
        Assert.Equal("before\nafter\n", rig.Output(SpoolStream.AgentOut));
        await rig.RunAsync(session, rig.Sh("exit 3", ShimPhase.Teardown));
        await session.EndAsync(ShimRig.Cancellation);
        Assert.False(File.Exists(TornDown(rig)));
        await Signals.GoneAsync(host.ShimPid, ShimRig.Cancellation);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_exit_between_two_hosts_is_in_the_status()
    {
        await using var rig = new ShimRig();
        using var host = await HostProcess.StartAsync(rig, TimeSpan.FromMinutes(10), "while [ ! -e go ]; do sleep 0.02; done; exit 17");
        await host.ShootAsync();
        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "go"), "", ShimRig.Cancellation);

        var session = await rig.AttachAsync();
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal(17, status.ExitCode);
        Assert.Equal(17, ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!.Find(ShimPhase.Agent)!.ExitCode);
    }

    [Fact(Timeout = 180_000)]
    public async Task When_no_host_comes_back_the_shim_stops_the_agent_tears_down_once_and_ends()
    {
        await using var rig = new ShimRig();
        using var host = await HostProcess.StartAsync(rig, TimeSpan.FromMinutes(10), "setsid sleep 300 & echo up; exec sleep 300");
        var tag = ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!.Tag;

        await host.ShootAsync();
        await rig.RenewAndGoAsync(TimeSpan.FromSeconds(1));
        await Signals.GoneAsync(host.ShimPid, ShimRig.Cancellation);

        var status = ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!;
        Assert.True(status.LeaseOver);
        Assert.Equal((2, ShimStopCause.Lease, true), (status.Find(ShimPhase.Agent)!.Signal, status.Find(ShimPhase.Agent)!.StoppedBy, status.Find(ShimPhase.Agent)!.Clean));
        Assert.Equal((true, 0), (status.Find(ShimPhase.Teardown)!.Ended, status.Find(ShimPhase.Teardown)!.ExitCode));
        Assert.Single(await File.ReadAllLinesAsync(TornDown(rig), ShimRig.Cancellation));
        Assert.Null(await ShimRig.Shims.TryAttachAsync(rig.PrivateDirectory, ShimRig.Cancellation));
        Assert.Empty(Tagged.Processes(tag));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shim_that_was_never_used_ends_by_itself_without_teardown()
    {
        await using var rig = new ShimRig();
        using var host = await HostProcess.StartAsync(rig, TimeSpan.FromSeconds(0.5), "");

        await host.ShootAsync();
        await Signals.GoneAsync(host.ShimPid, ShimRig.Cancellation);

        Assert.True(ShimRig.Shims.ReadStatus(rig.PrivateDirectory) is { LeaseOver: true, Commands.Count: 0 });
        Assert.False(File.Exists(TornDown(rig)));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shim_whose_directory_was_removed_ends_what_it_runs_and_itself()
    {
        await using var rig = new ShimRig();
        using var host = await HostProcess.StartAsync(rig, TimeSpan.FromMinutes(10), "setsid sleep 300 & exec sleep 300");
        var session = await rig.AttachAsync();
        await host.ShootAsync();

        Directory.Delete(rig.PrivateDirectory, recursive: true);
        await session.RenewAsync(TimeSpan.Zero, ShimRig.Cancellation);

        await Signals.GoneAsync(host.ShimPid, ShimRig.Cancellation);
    }

    [Fact(Timeout = 180_000)]
    public async Task After_the_lease_nothing_is_started_and_nothing_renewed()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(teardown: rig.Sh("sleep 1; echo x >> torn-down", ShimPhase.Teardown));
        await session.StartAsync(rig.Sh("exec sleep 300"), ShimRig.Cancellation);
        await session.RenewAsync(TimeSpan.FromSeconds(0.5), ShimRig.Cancellation);
        var agent = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal(ShimStopCause.Lease, agent.StoppedBy);
        await Assert.ThrowsAsync<ShimException>(() => session.StartAsync(rig.Sh("touch started", ShimPhase.Changes), ShimRig.Cancellation));
        await Assert.ThrowsAsync<ShimException>(() => session.RenewAsync(TimeSpan.FromHours(1), ShimRig.Cancellation));
        await session.EndAsync(ShimRig.Cancellation);
        Assert.False(File.Exists(Path.Combine(rig.Workspace, "started")));
        Assert.Equal(0, session.Status.Find(ShimPhase.Teardown)!.ExitCode);
        Assert.Equal("x\n", await File.ReadAllTextAsync(TornDown(rig), ShimRig.Cancellation));
        var refused = await Assert.ThrowsAsync<ShimException>(() => session.StartAsync(rig.Sh("true", ShimPhase.Setup), ShimRig.Cancellation));
        Assert.IsNotType<ShimLostException>(refused);
    }

    /// <summary>What stops the agent, whose grace is ten minutes, before the lease is over.</summary>
    public enum Before
    {
        Nothing,
        Cancel,
        HostWithoutLease,
    }

    [Theory(Timeout = 180_000)]
    [InlineData(Before.Nothing, ShimStopCause.Lease, ": no host renewed the lease")]
    [InlineData(Before.Cancel, ShimStopCause.Cancel, "")]
    [InlineData(Before.HostWithoutLease, ShimStopCause.Lease, "")]
    public async Task When_the_lease_is_over_nothing_works_on_for_as_long_as_its_grace_and_teardown_has_its_time(Before before, ShimStopCause cause, string detail)
    {
        await using var rig = new ShimRig();
        var grace = TimeSpan.FromMinutes(10);
        var session = await rig.LaunchHurriedAsync(teardown: rig.Sh("trap '' INT TERM; sleep 3; echo x >> torn-down", ShimPhase.Teardown));
        await session.StartAsync(rig.Sh("trap '' INT TERM; echo up; while :; do sleep 0.05; done") with { StopGrace = grace }, ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "up");
        if (before != Before.Nothing)
        {
            await session.StopAsync(cause, grace, ShimRig.Cancellation);
        }

        if (before != Before.HostWithoutLease)
        {
            await session.RenewAsync(TimeSpan.Zero, ShimRig.Cancellation);
        }

        var agent = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal((9, cause), (agent.Signal, agent.StoppedBy));
        var why = $"(agent, {ShimStatusJson.Name(cause)}{detail})";
        Assert.Equal(
            [$"Stopping {why}: SIGINT", $"Still running 0.5 s after SIGINT {why}: SIGTERM", $"Still running 0.5 s after SIGTERM {why}: SIGKILL to every process of it"],
            rig.Output(SpoolStream.Shim).Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(said => said.Contains(why, StringComparison.Ordinal)));
        if (before == Before.HostWithoutLease)
        {
            await session.RenewAsync(TimeSpan.Zero, ShimRig.Cancellation);
        }

        await session.WaitForEndAsync(ShimRig.Cancellation);
        Assert.Equal((0, null), (session.Status.Find(ShimPhase.Teardown)!.ExitCode, session.Status.Find(ShimPhase.Teardown)!.StoppedBy));
        Assert.Equal("x\n", await File.ReadAllTextAsync(TornDown(rig), ShimRig.Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_renewed_lease_lets_the_command_go_on()
    {
        await using var rig = new ShimRig();

        // As long as a busy machine takes to come to the renewal; the command is longer still.
        var session = await rig.LaunchAsync(lease: TimeSpan.FromSeconds(10));
        await session.StartAsync(rig.Sh("sleep 11; exit 8"), ShimRig.Cancellation);

        await session.RenewAsync(TimeSpan.FromMinutes(1), ShimRig.Cancellation);

        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);
        Assert.Equal((8, null), (status.ExitCode, status.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_teardown_of_the_host_is_neither_stopped_by_the_lease_nor_repeated()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(teardown: rig.Sh("echo shim >> torn-down", ShimPhase.Teardown));
        await rig.RunAsync(session, rig.Sh("exit 0"));
        await session.StartAsync(rig.Sh("while [ ! -e go ]; do sleep 0.02; done; echo host >> torn-down", ShimPhase.Teardown) with { Timeout = TimeSpan.FromMinutes(2) }, ShimRig.Cancellation);
        await session.RenewAsync(TimeSpan.Zero, ShimRig.Cancellation);
        while (!session.Status.LeaseOver)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, ShimRig.Cancellation);
        }

        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "go"), "", ShimRig.Cancellation);
        await session.EndAsync(ShimRig.Cancellation);

        Assert.True(session.Status.LeaseOver);
        Assert.Equal((0, null), (session.Status.Find(ShimPhase.Teardown)!.ExitCode, session.Status.Find(ShimPhase.Teardown)!.StoppedBy));
        Assert.Equal("host\n", await File.ReadAllTextAsync(TornDown(rig), ShimRig.Cancellation));
    }
}
