using System.Text;
using OzFunctions.Direct.Logs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>What the process holds is measured: nothing else may run meanwhile.</summary>
[Collection(nameof(LogMemoryTests))]
[CollectionDefinition(nameof(LogMemoryTests), DisableParallelization = true)]
public sealed class LogMemoryTests
{
    [Fact(Timeout = 180_000)]
    public async Task Forty_eight_megabytes_of_output_are_never_held_in_memory()
    {
        // Beyond what the spool keeps, and many times what is stored, which the store of this test holds in memory.
        const int Megabytes = 48;
        const int Cap = 1 << 20;
        await using var scene = new LogScene(spoolBytes: 16 << 20) { Remembers = false };
        scene.Options = new AttemptLogOptions { Cap = Cap };
        var piece = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(new string('x', 79) + "\n", 800)));
        await using var log = scene.Open();
        var following = log.FollowAsync(scene.Session, ShimPhase.Agent, TestContext.Current.CancellationToken);
        var before = 0L;
        for (var i = 0; i < Megabytes * 16; i++)
        {
            scene.Session.Write(SpoolStream.AgentOut, piece);
            if (i == 32)
            {
                before = GC.GetTotalMemory(forceFullCollection: true);
            }
        }

        scene.Session.End(ShimPhase.Agent);
        await following;
        var summary = await log.SealAsync(TestContext.Current.CancellationToken);

        Assert.True(summary.CutBytes > (Megabytes - 8) << 20);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 8 * Cap);
    }
}
