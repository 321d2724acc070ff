using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Hosts;

/// <summary>The two flags of a launch: what happens when the caller goes, and whether something is owed then.</summary>
public sealed class EndsWithHostTests
{
    private const string StaysUntilToldToGo = "echo up; while [ ! -e go ]; do sleep 0.02; done; echo x >> torn-down";

    private static string TornDown(ShimRig rig) => Path.Combine(rig.Workspace, "torn-down");

    [Theory(Timeout = 180_000)]
    [InlineData(ShimPhase.Setup)]
    [InlineData(ShimPhase.Agent)]
    public async Task When_the_caller_goes_its_command_is_stopped_and_teardown_runs_at_once(string phase)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(teardown: rig.Sh("echo x >> torn-down", ShimPhase.Teardown), endsWithHost: true);
        await session.StartAsync(rig.Sh("setsid sleep 300 & echo up; exec sleep 300", phase), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "up");

        await session.DisposeAsync();
        await Signals.GoneAsync(session.Status.Pid, ShimRig.Cancellation);

        var status = ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!;
        Assert.True(status.LeaseOver);
        Assert.Equal((2, ShimStopCause.Lease, true), (status.Find(phase)!.Signal, status.Find(phase)!.StoppedBy, status.Find(phase)!.Clean));
        Assert.Equal((true, 0), (status.Find(ShimPhase.Teardown)!.Ended, status.Find(ShimPhase.Teardown)!.ExitCode));
        Assert.Equal("x\n", await File.ReadAllTextAsync(TornDown(rig), ShimRig.Cancellation));
        Assert.Contains("The caller is gone", rig.Output(SpoolStream.Shim), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_caller_that_goes_during_teardown_leaves_it_to_its_end_and_it_is_not_repeated()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(teardown: rig.Sh("echo shim >> torn-down", ShimPhase.Teardown), endsWithHost: true);
        await rig.RunAsync(session, rig.Sh("exit 0"));
        await session.StartAsync(rig.Sh(StaysUntilToldToGo, ShimPhase.Teardown) with { Timeout = TimeSpan.FromSeconds(30) }, ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "up");

        await session.DisposeAsync();
        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "go"), "", ShimRig.Cancellation);
        await Signals.GoneAsync(session.Status.Pid, ShimRig.Cancellation);

        Assert.Equal((0, null), (ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!.Find(ShimPhase.Teardown)!.ExitCode, ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!.Find(ShimPhase.Teardown)!.StoppedBy));
        Assert.Equal("x\n", await File.ReadAllTextAsync(TornDown(rig), ShimRig.Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task While_a_second_connection_is_there_the_command_goes_on()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(endsWithHost: true);
        await session.StartAsync(rig.Sh("echo up; while [ ! -e go ]; do sleep 0.02; done; exit 6"), ShimRig.Cancellation);
        var second = await rig.AttachAsync();
        await rig.OutputHoldsAsync(second, "up");

        await session.DisposeAsync();
        await second.RenewAsync(TimeSpan.FromMinutes(5), ShimRig.Cancellation);
        await File.WriteAllTextAsync(Path.Combine(rig.Workspace, "go"), "", ShimRig.Cancellation);

        var status = await second.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);
        Assert.Equal((6, null), (status.ExitCode, status.StoppedBy));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Nothing_is_torn_down_where_nothing_began_or_nothing_is_owed(bool hasTeardown)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync(teardown: hasTeardown ? rig.Sh("echo x >> torn-down", ShimPhase.Teardown) : null, endsWithHost: true);
        if (!hasTeardown)
        {
            await rig.RunAsync(session, rig.Sh("exit 0"));
        }

        await session.DisposeAsync();
        await Signals.GoneAsync(session.Status.Pid, ShimRig.Cancellation);

        Assert.Null(ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!.Find(ShimPhase.Teardown));
        Assert.False(File.Exists(TornDown(rig)));
    }
}
