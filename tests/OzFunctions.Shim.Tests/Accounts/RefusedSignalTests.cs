using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Accounts;

public sealed class RefusedSignalTests
{
    private const int Nobody = 65534;

    [Fact(Timeout = 300_000)]
    public async Task A_leader_that_became_another_account_is_stopped_as_far_as_may_be_and_named()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists("/usr/bin/setpriv"), "needs root and setpriv, for a host that may not signal its agent");
        await using var rig = new ShimRig();
        rig.GivePrivateTo(Nobody);
        rig.GiveWorkspaceTo(Nobody);
        var become = Path.Combine(rig.Workspace, "become");
        File.Copy("/usr/bin/setpriv", become);
        File.SetUnixFileMode(become, (UnixFileMode)0x9ED); // 4755: as sudo is.
        using var host = await HostProcess.StartAsync(
            rig, TimeSpan.FromMinutes(10), "exec ./become --reuid 0 --regid 0 --clear-groups sh -c 'echo became $$; exec sleep 300'", user: Nobody);
        var before = ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!;
        rig.Watch(before.Tag);
        var leader = before.Find(ShimPhase.Agent)!.Pid;

        ShimCommandStatus status;
        try
        {
            status = (await host.StopAgentAsync("became")).Find(ShimPhase.Agent)!;
        }
        finally
        {
            _ = Signals.Send(leader, "KILL");
            await Signals.GoneAsync(leader, CancellationToken.None);
        }

        await host.EndAsync();

        Assert.Equal((ShimStopCause.Cancel, null, null), (status.StoppedBy, status.ExitCode, status.Signal));
        Assert.False(status.Clean);
        Assert.Equal([leader], status.LeftOver);
    }
}
