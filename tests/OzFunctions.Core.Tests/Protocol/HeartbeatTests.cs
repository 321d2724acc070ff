using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>What a host does with each heartbeat beside writing it.</summary>
public sealed class HeartbeatTests
{
    private const int Limit = 180_000;
    private const int AtOnce = 8;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task Looks_at_records_that_hang_hold_up_no_heartbeat_and_are_made_once()
    {
        await using var world = new World();
        var host = world.StartHost(world.NewMachine(), slots: AtOnce + 4);
        await BeginAsync(world, AtOnce + 4);
        var (looking, most, left) = (0, 0, -1);
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Store.Before = async (method, name) =>
        {
            if (method == nameof(IBlobStore.TryDeleteAsync) && name.Contains(host.HostId, StringComparison.Ordinal))
            {
                Interlocked.CompareExchange(ref left, Volatile.Read(ref looking), -1);
            }

            if (method == nameof(IBlobStore.FindAsync) && name.StartsWith(RunBlobs.RecordPrefix, StringComparison.Ordinal))
            {
                var now = Interlocked.Increment(ref looking);
                most = Math.Max(most, now);
                if (now == AtOnce)
                {
                    all.TrySetResult();
                }

                await answered.Task;
                Interlocked.Decrement(ref looking);
            }
        };

        await all.Task.WaitAsync(Cancellation);
        await world.CallsAsync(5, call => World.IsHeartbeat(call) && call.Name.Contains(host.HostId, StringComparison.Ordinal)).WaitAsync(Cancellation);
        Assert.Equal((AtOnce, AtOnce), (looking, most));

        host.Drain();
        host.Drain();
        await UntilAsync(world, () => host.RunningCount == 0);
        answered.SetResult();
        await world.RunningOf(host).WaitAsync(Cancellation);
        Assert.Equal(0, left);
    }

    [Fact(Timeout = Limit)]
    public async Task A_record_that_cannot_be_read_keeps_no_cancel_from_the_others()
    {
        await using var world = new World();
        world.StartHost(world.NewMachine(), slots: 12);
        var runs = await BeginAsync(world, 12);
        world.Store.Before = (method, name) => method == nameof(IBlobStore.FindAsync) && runs.Skip(1).Any(run => name == RunBlobs.Record(run))
            ? throw new BlobStoreException("503", isTransient: true, null)
            : Task.CompletedTask;

        var canceller = world.NewProcess(ProtocolStep.X2);
        _ = canceller.Core.Cancels.CancelAsync(runs[0], "ann", null, Cancellation);

        Assert.Equal(RunReason.TaskCancelled, (await world.UntilAsync(runs[0], run => run.State.IsTerminal(), Cancellation)).Reason);
        world.Store.Before = null;
    }

    private static async Task<IReadOnlyList<RunId>> BeginAsync(World world, int count)
    {
        var intake = world.NewProcess().Core.Intake;
        var runs = new List<RunId>();
        for (var i = 0; i < count; i++)
        {
            runs.Add((await intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId);
        }

        foreach (var run in runs)
        {
            await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);
        }

        return runs;
    }

    private static Task UntilAsync(World world, Func<bool> condition) => world.UntilAsync(
        () =>
        {
            world.PulseSoon();
            return Task.FromResult(condition());
        },
        Cancellation);
}
