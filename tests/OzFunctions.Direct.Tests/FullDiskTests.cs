using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests;

/// <summary>A workspace root on a small disk in memory, which needs root to be mounted.</summary>
public sealed class FullDiskTests : IAsyncLifetime
{
    private readonly TempDirectory _disk = new();
    private bool _mounted;

    public async ValueTask InitializeAsync() =>
        _mounted = Environment.UserName == "root" && await TestProcess.RunAsync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", _disk.Path], CancellationToken.None) == 0;

    public async ValueTask DisposeAsync()
    {
        // Refused while anything that an attempt started still stands on it.
        if (_mounted)
        {
            Assert.Equal(0, await TestProcess.RunAsync("umount", [_disk.Path], CancellationToken.None));
        }

        _disk.Dispose();
    }

    [Fact(Timeout = 180_000)]
    public async Task An_agent_that_fills_the_disk_of_its_workspace_still_ends_with_log_and_teardown_and_leaves_nothing()
    {
        Assert.SkipUnless(_mounted, "needs root, to mount a small disk");
        await using var rig = new BackendRig();
        rig.UseScript("echo before; head -c 64000000 /dev/zero >junk; echo after >&2; exit 3");
        rig.Options = rig.Options with { WorkspaceRoot = _disk.Path, TeardownCommand = $"echo $OZF_RUN_REASON >{rig.Temp["teardown"]}" };
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);
        attempt.Directory.Delete();

        Assert.Equal((RunReason.AgentInvocation, 3), (outcome.Reason, outcome.Attempt.ExitCode));
        Assert.Equal("agent_invocation\n", File.ReadAllText(rig.Temp["teardown"]));
        Assert.True(outcome.Attempt.Log!.Sealed);
        Assert.Contains("out: before\n", rig.LogOf(attempt), StringComparison.Ordinal);
        Assert.EndsWith("host: The agent exited with code 3.\n", rig.LogOf(attempt), StringComparison.Ordinal);
        Assert.Equal([".ozf"], Directory.GetFileSystemEntries(_disk.Path).Select(Path.GetFileName));
        Assert.DoesNotContain(Directory.GetFileSystemEntries(Path.Join(_disk.Path, ".ozf")), entry => Path.GetFileName(entry) != "bin");
    }

    [Fact(Timeout = 180_000)]
    public async Task Teardown_at_the_end_of_the_lease_runs_on_a_full_disk_too()
    {
        Assert.SkipUnless(_mounted, "needs root, to mount a small disk");
        await using var rig = new BackendRig();
        rig.UseScript($"head -c 64000000 /dev/zero >junk; touch {rig.Temp["started"]}; sleep 600");
        rig.Options = rig.Options with { WorkspaceRoot = _disk.Path, TeardownCommand = $"echo $OZF_RUN_REASON >>{rig.Temp["teardown"]}; touch {rig.Temp["torn"]}" };
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" }, lease: TimeSpan.FromSeconds(3));
        await rig.WaitForFileAsync(rig.Temp["torn"]);

        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);
        second.Directory.Delete();

        Assert.Equal((RunReason.HostLost, StoppedBy.Lease, new TeardownResult(true, 0)), (outcome.Reason, outcome.Attempt.StoppedBy, outcome.Attempt.Teardown));
        Assert.Equal("host_lost\n", File.ReadAllText(rig.Temp["teardown"]));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_disk_that_is_full_before_the_claim_is_named_and_keeps_no_half_of_an_attempt()
    {
        Assert.SkipUnless(_mounted, "needs root, to mount a small disk");
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { WorkspaceRoot = _disk.Path };
        rig.Claim(BackendRig.Fake("noop")).Directory.Delete();
        await TestProcess.RunAsync("/bin/sh", ["-c", $"head -c 64000000 /dev/zero >{_disk["junk"]}"], BackendRig.Cancellation);

        var refused = Assert.Throws<IOException>(() => rig.Claim(BackendRig.Fake("noop")));

        Assert.Contains(_disk.Path, refused.Message, StringComparison.Ordinal);
        Assert.Contains("workspace_root", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Join(_disk.Path, ".ozf")));
    }
}
