using System.Text;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

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
        // Refused while anything that an attempt started still stands on it; and for a moment by a child that a test beside this one is just forking.
        var began = TimeProvider.System.GetTimestamp();
        while (_mounted && await TestProcess.RunAsync("umount", [_disk.Path], CancellationToken.None) != 0)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromMinutes(1), "the disk is still in use");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
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
    public async Task Output_that_a_full_disk_refuses_makes_no_file_for_each_piece_and_is_counted()
    {
        Assert.SkipUnless(_mounted, "needs root, to mount a small disk");
        using var spool = new SpoolWriter(_disk["spool"], 1 << 20, TimeProvider.System);
        var line = Encoding.UTF8.GetBytes(new string('x', 70) + "\n");
        spool.Append(SpoolStream.AgentOut, line);
        using var reader = new SpoolReader(_disk["spool"], SpoolPosition.Start);
        Assert.True(reader.TryRead(out _));
        await TestProcess.RunAsync("/bin/sh", ["-c", $"head -c 64000000 /dev/zero >{_disk["junk"]}"], BackendRig.Cancellation);

        var refused = 0;
        var read = 1L;
        for (var i = 0; i < 10_000; i++)
        {
            try
            {
                spool.Append(SpoolStream.AgentOut, line);
            }
            catch (IOException)
            {
                refused++;
            }

            read += reader.TryRead(out _) ? 1 : 0;
        }

        Assert.InRange(refused, 9_000, 10_000);
        Assert.InRange(Directory.GetFiles(_disk["spool"]).Length, 1, 3);
        File.Delete(_disk["junk"]);
        spool.Append(SpoolStream.AgentOut, "after\n"u8);

        Assert.True(reader.TryRead(out var after));
        Assert.Equal("after\n", Encoding.UTF8.GetString(after.Bytes.Span));
        Assert.Equal((refused, refused * line.Length, refused), (after.Cut.Records, after.Cut.Bytes, after.Cut.Lines));
        Assert.Equal(10_001, read + refused);
    }

    [Fact(Timeout = 180_000)]
    public async Task Teardown_at_the_end_of_the_lease_runs_on_a_full_disk_too()
    {
        Assert.SkipUnless(_mounted, "needs root, to mount a small disk");
        await using var rig = new BackendRig();
        rig.UseScript($"head -c 64000000 /dev/zero >junk; touch {rig.Temp["started"]}; sleep 600");
        rig.Options = rig.Options with { WorkspaceRoot = _disk.Path, TeardownCommand = $"echo $OZF_RUN_REASON >>{rig.Temp["teardown"]}; touch {rig.Temp["torn"]}" };
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        await rig.EndLeaseAsync(first);
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
