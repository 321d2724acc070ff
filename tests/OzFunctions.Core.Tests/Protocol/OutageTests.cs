using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>The store is away, on a clock that is moved by hand and with the product's own times: lease 10 minutes, heartbeat 30 seconds, tick 10 seconds.</summary>
public sealed class OutageTests
{
    private const int Limit = 300_000;

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly ManualTimeProvider _clock = new();

    /// <summary>What the adapter of a store beyond a network gives a call, and each of its tries.</summary>
    private static readonly (TimeSpan Call, TimeSpan Try) CallTimes = (TimeSpan.FromSeconds(25), TimeSpan.FromSeconds(10));

    /// <summary>What a host does again and again, with its period and the longest pause after a failure.</summary>
    private readonly List<Loop> _loops =
    [
        new(World.IsHeartbeat, TimeSpan.FromSeconds(30 + 15)),
        new(call => call is { Port: "blobs", Method: "ListAsync", Name: "schedules/" }, TimeSpan.FromSeconds(12 + 15)),
    ];

    /// <summary>How a store may be away.</summary>
    public enum Kind
    {
        /// <summary>Answers 503.</summary>
        Refuses,

        /// <summary>Does not answer; the client gives up after 25 seconds of tries.</summary>
        TimesOut,

        /// <summary>Does what it is asked, and the connection drops before the answer.</summary>
        DropsAnswers,
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = Limit)]
    [InlineData(Kind.Refuses)]
    [InlineData(Kind.TimesOut)]
    [InlineData(Kind.DropsAnswers)]
    public async Task Eight_minutes_without_the_store_stop_nothing_and_lose_nothing(Kind kind)
    {
        await using var world = new World(_ => new InMemoryBlobStore(_clock)) { SharedLocks = false };
        var machine = world.NewMachine();
        var (host, process) = Start(world, machine);
        var stays = await RunningAsync(world, process, AgentPlan.UntilStopped);

        Begin(world, kind);
        await PassAsync(world, TimeSpan.FromMinutes(1));
        await StandAsync(() => host.NotReady?.Contains("The store has not been reached since", StringComparison.Ordinal) is true);
        var calls = world.Calls;
        await PassAsync(world, TimeSpan.FromMinutes(7));

        // Heartbeats, signals, listings, ticks and looks, each with its pauses: nothing turns on the spot.
        Assert.InRange(world.Calls - calls, 1, 7 * 60);
        Assert.Equal(1, host.RunningCount);
        Assert.All(machine.Directories.Values, directory => Assert.Null(directory.Outcome));

        world.Outage = null;
        await UntilAsync(world, () => host.NotReady is null);
        Assert.Equal(RunState.InProgress, (await world.FindAsync(stays))!.State);
        await process.Core.Cancels.CancelAsync(stays, "ann", null, Cancellation);
        await UntilAsync(world, () => world.Versions.Any(version => version.RunId == stays && version.State == RunState.Cancelled));
        var next = (await process.Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await UntilAsync(world, () => world.Versions.Any(version => version.RunId == next && version.State == RunState.Succeeded));
        await UntilAsync(world, () => machine.Directories.IsEmpty && world.CompletionIds(stays).Count == 1 && world.CompletionIds(next).Count == 1);
        await EndAsync(world, host);
        Assert.Empty(await world.FindBreachesAsync([stays, next]));
    }

    [Theory(Timeout = Limit)]
    [InlineData(Kind.Refuses)]
    [InlineData(Kind.TimesOut)]
    [InlineData(Kind.DropsAnswers)]
    public async Task Fifteen_minutes_without_the_store_stop_the_agents_and_lose_no_outcome(Kind kind)
    {
        await using var world = new World(_ => new InMemoryBlobStore(_clock)) { SharedLocks = false };
        var machine = world.NewMachine();
        var (host, process) = Start(world, machine);
        var run = await RunningAsync(world, process, AgentPlan.UntilStopped);
        var writes = await RunningAsync(world, process, AgentPlan.UntilTold);
        var directory = machine.Directories.Values.Single(its => its.Intent!.RunId == run);

        Begin(world, kind);
        await PassAsync(world, TimeSpan.FromMinutes(8));
        Assert.DoesNotContain(ProtocolStep.S1, process.Steps);
        await PassAsync(world, TimeSpan.FromMinutes(7));

        // Both are stopped. One has its outcome on disk, the other has a log to store before that; what the host says of itself is that the store is away.
        await StandAsync(() => process.Steps.Count(step => step == ProtocolStep.S1) == 2 && directory.Outcome is not null);
        Assert.Equal(RunReason.HostLost, directory.Outcome!.Reason);
        Assert.DoesNotContain(ProtocolStep.S7, process.Steps);
        await StandAsync(() => host.NotReady?.Contains("agents were stopped", StringComparison.Ordinal) is true);

        world.Outage = null;
        foreach (var stopped in (RunId[])[run, writes])
        {
            await UntilAsync(world, () => world.Versions.Any(version => version.RunId == stopped && version.State == RunState.Error));
            await UntilAsync(world, () => world.CompletionIds(stopped).Count == 1);
            var record = (await world.FindAsync(stopped))!;
            Assert.Equal((RunReason.HostLost, "stopped"), (record.Reason, record.Message));
        }

        await UntilAsync(world, () => machine.Directories.IsEmpty && host.NotReady is null);
        await AssertFilesAsync(world, writes);
        var next = (await process.Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await UntilAsync(world, () => world.Versions.Any(version => version.RunId == next && version.State == RunState.Succeeded) && world.CompletionIds(next).Count == 1);
        await UntilAsync(world, () => machine.Directories.IsEmpty);
        await EndAsync(world, host);
        Assert.Empty(await world.FindBreachesAsync([run, writes, next]));
    }

    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_agent_that_ended_in_an_outage_longer_than_the_lease_keeps_its_end_its_log_and_its_artifacts(bool anotherTicks)
    {
        await using var world = new World(_ => new InMemoryBlobStore(_clock)) { SharedLocks = false };
        var machine = world.NewMachine();
        var (host, process) = Start(world, machine);
        var run = await RunningAsync(world, process, AgentPlan.UntilTold);
        var (ticking, ticker) = anotherTicks ? Start(world, world.NewMachine("other")) : (host, process);
        await UntilAsync(world, () => IsHeard(ticking));
        var its = new Loop(call => IsHeartbeatOf(host, call), TimeSpan.FromSeconds(30 + 15));
        _loops.Add(its);
        Begin(world, Kind.Refuses);
        await PassAsync(world, TimeSpan.FromMinutes(5));
        world.AgentsEnd.SetResult();
        await PassAsync(world, TimeSpan.FromMinutes(10));

        // The store is back, and who ticks sees the run before its host's next heartbeat and its next try to store the log: each has its own pause.
        var seen = new RecordRead(run);
        ticker.Faults = seen;
        world.Outage = call => IsHeartbeatOf(host, call) || (call.Writes && call.Name.StartsWith("data/", StringComparison.Ordinal)) ? new BlobStoreException("The store answers 503.", isTransient: true, null) : null;
        await UntilAsync(world, () => seen.Made.IsCompleted);
        world.Outage = null;
        var beat = world.CallsAsync(1, call => IsHeartbeatOf(host, call));
        await WithinAsync(beat, TimeSpan.FromSeconds(30));
        await StandAsync(() => IsHeard(host));

        await UntilAsync(world, () => world.Versions.Any(version => version.RunId == run && version.State.IsTerminal()));
        await UntilAsync(world, () => machine.Directories.IsEmpty && world.CompletionIds(run).Count == 1);
        var record = (await world.FindAsync(run))!;
        Assert.Equal((RunState.Succeeded, RunReason.Completed, 0), (record.State, record.Reason, record.CurrentAttempt!.ExitCode));
        await AssertFilesAsync(world, run);
        _loops.Remove(its);
        await EndAsync(world, host);
        Assert.Empty(await world.FindBreachesAsync([run]));
        if (anotherTicks)
        {
            await EndAsync(world, ticking);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_machine_lost_in_an_outage_is_settled_once_those_that_live_have_had_time_to_beat()
    {
        await using var world = new World(_ => new InMemoryBlobStore(_clock)) { SharedLocks = false };
        var machine = world.NewMachine();
        var (_, process) = Start(world, machine);
        var run = await RunningAsync(world, process, AgentPlan.UntilStopped);
        var (other, _) = Start(world, world.NewMachine("other"));
        await UntilAsync(world, () => IsHeard(other));
        Begin(world, Kind.Refuses);
        await PassAsync(world, TimeSpan.FromMinutes(1));
        process.Kill();
        machine.Lost = true;
        await PassAsync(world, TimeSpan.FromMinutes(14));

        world.Outage = null;
        var back = _clock.GetUtcNow();
        await UntilAsync(world, () => world.Versions.Any(version => version.RunId == run && version.State.IsTerminal()));

        var record = (await world.FindAsync(run))!;
        Assert.Equal(RunReason.HostLost, record.Reason);
        Assert.True(record.FinishedAt - back >= HostWatch.Grace, $"It was settled {record.FinishedAt - back} after the outage.");
        await UntilAsync(world, () => world.CompletionIds(run).Count == 1);
        await EndAsync(world, other);
    }

    [Fact(Timeout = Limit)]
    public async Task An_idle_host_calls_the_store_as_often_as_the_documents_say()
    {
        await using var world = new World(_ => new InMemoryBlobStore(_clock)) { SharedLocks = false };
        var (host, _) = Start(world, world.NewMachine());
        await UntilAsync(world, () => world.Calls > 0);
        await PassAsync(world, TimeSpan.FromMinutes(2));
        var calls = world.Calls;

        await PassAsync(world, TimeSpan.FromMinutes(10));

        // 20 heartbeats; a listing and a look at control.json every 15 s; every 8 to 12 s a tick of seven listings and reads.
        Assert.InRange(world.Calls - calls, 100, 800);
        await EndAsync(world, host);
    }

    /// <summary>Log and artifact of the agent are whole.</summary>
    private static async Task AssertFilesAsync(World world, RunId run)
    {
        Assert.Equal(SimulatedFiles.Log.ToArray(), (await world.Blobs.FindAsync(RunBlobs.Log(run, 1), Cancellation))!.Content.ToArray());
        Assert.Equal(SimulatedFiles.Artifact.ToArray(), (await world.Blobs.FindAsync(RunBlobs.Artifact(run, 1, SimulatedFiles.ArtifactName), Cancellation))!.Content.ToArray());
    }

    /// <summary>Its last heartbeat was written.</summary>
    private static bool IsHeard(WorkerHost host) => !host.FindReasons().Contains("The last heartbeat did not reach the store.");

    private static bool IsHeartbeatOf(WorkerHost host, PortCall call) => World.IsHeartbeat(call) && call.Name.Contains(host.HostId, StringComparison.Ordinal);

    /// <summary>Done when this process has read the run's record.</summary>
    private sealed class RecordRead(RunId run) : IPortFaults
    {
        private readonly TaskCompletionSource _made = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Made => _made.Task;

        public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
        {
            var answer = await make();
            if (call.Method == nameof(IBlobStore.FindAsync) && call.Name == RunBlobs.Record(run))
            {
                _made.TrySetResult();
            }

            return answer;
        }
    }

    private sealed class Loop(Func<PortCall, bool> begins, TimeSpan atMost)
    {
        public Func<PortCall, bool> Begins => begins;

        public TimeSpan AtMost { get; set; } = atMost;

        public TimeSpan Waited { get; set; }

        public Task? Made { get; set; }
    }

    private (WorkerHost Host, SimulatedProcess Process) Start(World world, SimulatedMachine machine)
    {
        var process = world.NewProcess(_clock);
        return (world.StartHost(process, machine), process);
    }

    private async Task<RunId> RunningAsync(World world, SimulatedProcess process, AgentPlan plan)
    {
        var run = (await process.Core.Intake.SubmitAsync(World.Ask(plan), Cancellation)).Run.RunId;
        await UntilAsync(world, () => world.Versions.Any(version => version.RunId == run && version.State == RunState.InProgress));
        return run;
    }

    private void Begin(World world, Kind kind)
    {
        if (kind == Kind.TimesOut)
        {
            // A heartbeat and the look at a run that follows it, each to its end.
            world.OutageTakes = CallTimes;
            foreach (var loop in _loops)
            {
                loop.AtMost += 2 * CallTimes.Call;
            }
        }

        if (kind == Kind.DropsAnswers)
        {
            world.DropsAnswers = true;
        }

        world.Outage = kind switch
        {
            Kind.Refuses => _ => new BlobStoreException("The store answers 503.", isTransient: true, null),
            Kind.TimesOut => _ => new BlobStoreException("The store did not answer in time.", isTransient: true, new TimeoutException()),
            _ => _ => new BlobStoreException("The connection dropped.", isTransient: true, null),
        };
    }

    /// <summary>
    /// Second by second, so that everything that is due in between comes to its turn; and slowly where a loop of the host is behind its time, for want of a processor: the
    /// clock must not run away from it.
    /// </summary>
    private async Task PassAsync(World world, TimeSpan time)
    {
        for (var passed = TimeSpan.Zero; passed < time; passed += Second)
        {
            _clock.Advance(Second);
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Cancellation);
            foreach (var loop in _loops)
            {
                loop.Made ??= world.CallsAsync(1, loop.Begins);
                loop.Waited += Second;
                if (loop.Waited > loop.AtMost)
                {
                    // Not for ever: a host that was declared dead, or has ended, makes no such calls.
                    await Task.WhenAny(loop.Made, Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, Cancellation));
                }

                if (loop.Made.IsCompleted)
                {
                    (loop.Made, loop.Waited) = (null, TimeSpan.Zero);
                }
            }
        }
    }

    /// <summary>Time goes by until this has happened, for which so much of it is enough; then it all but stands, for what is late is late for want of a processor.</summary>
    private async Task WithinAsync(Task happened, TimeSpan enough)
    {
        for (var passed = TimeSpan.Zero; !happened.IsCompleted; passed += Second)
        {
            _clock.Advance(Second);
            await Task.WhenAny(happened, Task.Delay(passed < enough ? TimeSpan.FromMilliseconds(1) : Second, TimeProvider.System, Cancellation));
        }
    }

    /// <summary>Waits for what the time that has passed must bring, while the clock stands.</summary>
    private static async Task StandAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Cancellation);
        }
    }

    private async Task UntilAsync(World world, Func<bool> condition)
    {
        while (!condition())
        {
            await PassAsync(world, Second);
        }
    }

    private async Task EndAsync(World world, WorkerHost host)
    {
        host.Drain();
        var running = world.RunningOf(host);
        await UntilAsync(world, () => running.IsCompleted);
        await running;
    }
}
