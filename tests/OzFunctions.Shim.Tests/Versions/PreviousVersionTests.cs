using System.Text;
using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Versions;

/// <summary>Shims of the version before live on when the product is replaced. When the version grows, the recording of the version before it comes here.</summary>
public sealed class PreviousVersionTests
{
    private const string Recording = "version1.txt";

    [Fact(Timeout = 180_000)]
    public async Task A_host_holds_the_conversation_that_a_host_of_version_1_held_with_a_shim_of_version_1()
    {
        using var temp = new TempDirectory();
        await using var shim = new RecordedShim(temp.Path, Recording);

        await using var session = await ShimRig.Shims.TryAttachAsync(temp.Path, ShimRig.Cancellation);
        Assert.NotNull(session);
        Assert.Equal((1, null, null, 0), (session.Status.Version, session.Status.Limits, session.Status.Cgroup, session.Status.Commands.Count));
        var started = await session.StartAsync(Sh(ShimPhase.Agent, "echo out; echo err >&2; exec sleep 60"), ShimRig.Cancellation);
        Assert.Equal((false, 0), (started.Ended, started.SpawnError));
        await session.WaitForOutputAsync(SpoolPosition.Start, TimeSpan.FromSeconds(30), ShimRig.Cancellation);
        await session.RenewAsync(TimeSpan.FromMinutes(20), ShimRig.Cancellation);
        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.FromSeconds(10), ShimRig.Cancellation);
        var ended = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);
        await session.EndAsync(ShimRig.Cancellation);

        Assert.Equal((true, 2, ShimStopCause.Cancel, null, true), (ended.Ended, ended.Signal, ended.StoppedBy, ended.Limit, ended.Clean));
        Assert.Empty(await shim.DifferencesAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task An_agent_that_a_host_of_version_1_started_is_taken_over_and_cancelled()
    {
        using var temp = new TempDirectory();
        await using var shim = new RecordedShim(temp.Path, "version1-cancelled.txt");

        await using var session = await ShimRig.Shims.TryAttachAsync(temp.Path, ShimRig.Cancellation);
        Assert.NotNull(session);
        Assert.Equal((true, false), (session.Status.Find(ShimPhase.Setup)!.Ended, session.Status.Find(ShimPhase.Agent)!.Ended));
        await session.RenewAsync(TimeSpan.FromMinutes(20), ShimRig.Cancellation);
        await session.WaitForOutputAsync(SpoolPosition.Start, TimeSpan.FromSeconds(30), ShimRig.Cancellation);
        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.FromSeconds(10), ShimRig.Cancellation);
        var ended = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);
        var tornDown = await TearDownAsync(session);

        Assert.Equal((7, null, ShimStopCause.Cancel, true), (ended.ExitCode, ended.Signal, ended.StoppedBy, ended.Clean));
        Assert.Equal((true, 0), (tornDown.Ended, tornDown.ExitCode));
        Assert.Empty(await shim.DifferencesAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task An_agent_that_ended_between_a_host_of_version_1_and_this_one_has_its_exit_code_and_its_teardown()
    {
        using var temp = new TempDirectory();
        await using var shim = new RecordedShim(temp.Path, "version1-away.txt");

        await using var session = await ShimRig.Shims.TryAttachAsync(temp.Path, ShimRig.Cancellation);
        Assert.NotNull(session);
        await session.RenewAsync(TimeSpan.FromMinutes(20), ShimRig.Cancellation);
        var again = await session.StartAsync(Sh(ShimPhase.Agent, "exit 0"), ShimRig.Cancellation);
        var tornDown = await TearDownAsync(session);

        Assert.Equal((true, 6, null, true), (again.Ended, again.ExitCode, again.StoppedBy, again.Clean));
        Assert.Equal((true, 0), (tornDown.Ended, tornDown.ExitCode));
        Assert.Empty(await shim.DifferencesAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shim_of_a_version_that_is_not_known_is_told_with_both_versions()
    {
        using var temp = new TempDirectory();
        var newer = ShimProtocol.Version + 1;
        await using var shim = new RecordedShim(temp.Path, Recording, frame => Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(frame).Replace("\"version\":1", $"\"version\":{newer}", StringComparison.Ordinal)));

        var refused = await Assert.ThrowsAsync<ShimException>(() => ShimRig.Shims.TryAttachAsync(temp.Path, ShimRig.Cancellation));

        Assert.Equal($"The shim speaks version {newer}, this host {ShimProtocol.Version - 1} to {ShimProtocol.Version}.", refused.Message);
    }

    [Fact(Timeout = 180_000)]
    public async Task What_a_dead_shim_of_version_1_left_is_read_and_swept()
    {
        using var temp = new TempDirectory();
        await File.WriteAllTextAsync(
            temp.Sub(ShimProtocol.StatusFile),
            """{"version":1,"pid":12,"start_ticks":345,"boot_id":"b","tag":2305843009213693952,"lease_over":true,"commands":[{"phase":"agent","pid":13,"start_ticks":346,"started_at":"2023-11-14T22:13:20.123Z","spawn_error":0,"ended":true,"ended_at":"2023-11-14T22:13:21.000Z","signal":9,"stopped_by":"silence","stop_detail":"no output","peak_memory_bytes":4096,"cpu_seconds":1.25,"clean":false,"left_over":[7,8],"ended_descendants":2}]}""",
            ShimRig.Cancellation);

        var status = ShimRig.Shims.ReadStatus(temp.Path)!;

        Assert.Equal((1, true, 9, ShimStopCause.Silence), (status.Version, status.LeaseOver, status.Find(ShimPhase.Agent)!.Signal, status.Find(ShimPhase.Agent)!.StoppedBy));
        Assert.Equal(0, await ShimRig.Shims.SweepAsync(temp.Path, ShimRig.Cancellation));
    }

    private static async Task<ShimCommandStatus> TearDownAsync(IShimSession session)
    {
        await session.StartAsync(Sh(ShimPhase.Teardown, "echo torn down"), ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Teardown, ShimRig.Cancellation);
        await session.EndAsync(ShimRig.Cancellation);
        return status;
    }

    private static ShimCommand Sh(string phase, string script) => new()
    {
        Phase = phase,
        Arguments = ["/bin/sh", "-c", script],
        Environment = ["PATH=/usr/bin:/bin"],
        WorkingDirectory = "/tmp",
        Timeout = TimeSpan.FromHours(1),
    };
}
