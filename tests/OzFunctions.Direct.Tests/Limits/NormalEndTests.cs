using System.Diagnostics;
using System.Globalization;
using OzFunctions.Direct.Shims;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests.Limits;

/// <summary>After the supervisor has ended by itself, the host looks whether it did its work.</summary>
public sealed class NormalEndTests
{
    [Fact(Timeout = 180_000)]
    public async Task A_process_that_outlived_its_supervisor_is_found_by_its_mark_ended_and_told()
    {
        await using var rig = new BackendRig();
        var go = rig.Temp["go"];
        rig.UseScript($"while [ ! -e {go} ]; do sleep 0.02; done; exit 0");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        var running = rig.RunAsync(attempt);
        await attempt.WaitForAsync(Protocol.ProtocolStep.C10, BackendRig.Cancellation);
        var tag = new Shims.Shims(new ShimBinary("/none"), TimeProvider.System).ReadStatus(rig.PrivateOf(attempt))!.Tag.ToString(CultureInfo.InvariantCulture);

        // No descendant, so the shim cannot know it; a mark like its own, so it must be one that slipped away.
#pragma warning disable RS0030 // A stray must not be a child of a shim.
        using var stray = Process.Start("/usr/bin/prlimit", [$"--locks={tag}:{tag}", "/bin/sleep", "300"])!;
#pragma warning restore RS0030
        await MarkedAsync(stray.Id, tag);
        await File.WriteAllTextAsync(go, "", BackendRig.Cancellation);
        var outcome = await running;

        await stray.WaitForExitAsync(BackendRig.Cancellation);
        Assert.Equal(137, stray.ExitCode);
        Assert.Equal(RunReason.Completed, outcome.Reason);
        Assert.Equal(["1 process(es) of this attempt had outlived their supervisor and were ended."], outcome.Attempt.Warnings!);
    }

    private static async Task MarkedAsync(int pid, string tag)
    {
        while (!(await File.ReadAllTextAsync($"/proc/{pid}/limits", BackendRig.Cancellation)).Contains(tag, StringComparison.Ordinal))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, BackendRig.Cancellation);
        }
    }
}
