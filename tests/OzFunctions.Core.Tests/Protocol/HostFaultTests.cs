using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>Hosts that are slow, cut off, or told the wrong thing at the wrong moment.</summary>
public sealed class HostFaultTests
{
    private const int Limit = 60_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_heartbeat_that_was_written_before_an_outage_is_known_again_after_it()
    {
        await using var world = new World { SharedLocks = false };
        var host = world.StartHost(world.NewMachine());
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);
        var before = host.HostId;
        var beats = 0;
        var over = new TaskCompletionSource();

        // One write is done and its answer lost, the next two do not arrive at all.
        world.Store.After = (method, name) => Cut(method, name, beats == 1);
        world.Store.Before = (method, name) => Cut(method, name, IsBeat(method, name) && ++beats is 2 or 3);
        await over.Task.WaitAsync(Cancellation);

        Assert.Equal(before, host.HostId);
        Assert.Equal(RunState.InProgress, (await world.FindAsync(run))!.State);

        bool IsBeat(string method, string name) => method == nameof(IBlobStore.TryReplaceAsync) && name.StartsWith("hosts/", StringComparison.Ordinal);

        Task Cut(string method, string name, bool cut)
        {
            if (beats >= 12)
            {
                over.TrySetResult();
            }

            return IsBeat(method, name) && cut ? throw new BlobStoreException("cut off", isTransient: true, null) : Task.CompletedTask;
        }
    }
}
