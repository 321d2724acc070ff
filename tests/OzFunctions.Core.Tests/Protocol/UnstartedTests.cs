using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>An agent that was never executed costs its run no start.</summary>
public sealed class UnstartedTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_host_that_slept_past_its_lease_before_the_start_does_not_write_that_it_starts()
    {
        await using var world = new World { SharedLocks = false };
        var clock = new ManualTimeProvider();
        var machine = world.NewMachine();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var heartbeats = new HeldHeartbeats();
        var sleeper = new SimulatedProcess(world, killAfter: null, ProtocolStep.C8, time: clock);
        world.StartHost(sleeper, machine);
        await sleeper.Paused.WaitAsync(Cancellation);
        sleeper.Faults = heartbeats;

        clock.Advance(TimeSpan.FromMinutes(15));
        sleeper.Resume();
        var record = await world.UntilAsync(run, later => later.State == RunState.Queued || later.State.IsTerminal(), Cancellation);
        heartbeats.Release();

        Assert.Equal((RunState.Queued, WaitingFor.Retry, 0, 1), (record.State, record.WaitingFor, record.Starts, record.PrestartFailures));
        Assert.Empty(machine.Executions);
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_that_stops_before_it_knows_that_its_start_was_written_gives_the_start_back()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var process = world.NewPausedProcess(ProtocolStep.C8);
        var host = world.StartHost(process, machine);
        await process.Paused.WaitAsync(Cancellation);
        world.DropsAnswers = true;
        world.Outage = call => call.Name == RunBlobs.Record(run) ? new BlobStoreException("The connection dropped.", isTransient: true, null) : null;
        process.Resume();
        await UntilAsync(world, () => world.Versions.Any(version => version.RunId == run && version.State == RunState.InProgress));

        host.Drain();
        host.Drain();
        await UntilAsync(world, () => machine.Directories.Values.All(directory => directory.Outcome is not null));
        world.Outage = null;
        await world.RunningOf(host).WaitAsync(Cancellation);

        var given = (await world.FindAsync(run))!;
        Assert.Equal((RunState.Queued, 0, 0), (given.State, given.Starts, given.PrestartFailures));
        Assert.Null(given.StartedAt);
        Assert.Empty(machine.Executions);
        world.StartHost(machine);
        var record = await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal((RunState.Succeeded, 1), (record.State, record.Starts));
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_cancelled_before_its_host_knew_that_its_start_was_written_counts_no_start()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var process = world.NewPausedProcess(ProtocolStep.C8);
        world.StartHost(process, machine);
        await process.Paused.WaitAsync(Cancellation);
        var answers = new LostAnswers(RunBlobs.Record(run));
        process.Faults = answers;
        process.Resume();
        await world.UntilAsync(run, written => written.State == RunState.InProgress, Cancellation);

        await core.Cancels.CancelAsync(run, "ann", null, Cancellation);
        answers.Restore();
        var record = await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal((RunState.Cancelled, RunReason.TaskCancelled, 0), (record.State, record.Reason, record.Starts));
        Assert.Null(record.StartedAt);
        Assert.Null(Assert.Single(record.Attempts).StartedAt);
        Assert.Empty(machine.Executions);
    }

    private static Task UntilAsync(World world, Func<bool> condition) => world.UntilAsync(
        () =>
        {
            world.PulseSoon();
            return Task.FromResult(condition());
        },
        Cancellation);

    /// <summary>What is asked of a blob is done and not answered, also if it is over only after answers come again.</summary>
    private sealed class LostAnswers(string name) : IPortFaults
    {
        private volatile bool _restored;

        public void Restore() => _restored = true;

        public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
        {
            var lost = call.Name == name && !_restored;
            var answer = await make();
            return lost ? throw new BlobStoreException("The connection dropped.", isTransient: true, null) : answer;
        }
    }

    /// <summary>Heartbeats are on their way until they are released.</summary>
    private sealed class HeldHeartbeats : IPortFaults
    {
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Release() => _released.TrySetResult();

        public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
        {
            if (World.IsHeartbeat(call))
            {
                await _released.Task;
            }

            return await make();
        }
    }
}
