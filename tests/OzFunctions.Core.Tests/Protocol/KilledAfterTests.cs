using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>
/// The crash table: for every step, a process is killed right after it, and somebody else brings the run to its one end. What remains is looked at
/// before anyone settles it.
/// </summary>
public sealed class KilledAfterTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task I2_killed_after_leaves_a_key_that_a_repeat_finishes()
    {
        await using var world = new World();
        await SubmitAndDieAsync(world, ProtocolStep.I2, World.Ask(key: "k"));
        Assert.Single(await world.NamesAsync("keys/"));
        Assert.Empty(await world.NamesAsync("runs/"));

        var answer = await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation);

        Assert.True(answer.Created);
        Assert.Single(await world.NamesAsync("runs/"));
        await RunToTheEndAsync(world, answer.Run.RunId);
    }

    [Fact(Timeout = Limit)]
    public async Task I3_killed_after_leaves_a_marker_that_the_tick_deletes_after_a_day()
    {
        await using var world = new World();
        await SubmitAndDieAsync(world, ProtocolStep.I3, World.Ask());
        Assert.Single(await world.NamesAsync("active/"));
        var tick = world.NewProcess().Core.Tick;

        world.Clock.Shift(TimeSpan.FromHours(23));
        await tick.TickAsync(Cancellation);
        Assert.Single(await world.NamesAsync("active/"));

        world.Clock.Shift(TimeSpan.FromHours(2));
        await tick.TickAsync(Cancellation);
        Assert.Empty(await world.NamesAsync("active/"));
    }

    [Fact(Timeout = Limit)]
    public async Task I4_killed_after_leaves_an_accepted_run_that_the_tick_makes_ready_after_a_minute()
    {
        await using var world = new World();
        await SubmitAndDieAsync(world, ProtocolStep.I4, World.Ask());
        var runId = await TheRunAsync(world);
        Assert.Empty(await world.NamesAsync("ready/"));
        var tick = world.NewProcess().Core.Tick;

        await tick.TickAsync(Cancellation);
        Assert.Empty(await world.NamesAsync("ready/"));

        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await tick.TickAsync(Cancellation);
        Assert.Single(await world.NamesAsync("ready/"));
        await RunToTheEndAsync(world, runId);
    }

    [Theory(Timeout = Limit)]
    [InlineData(ProtocolStep.I5)]
    [InlineData(ProtocolStep.I6)]
    public async Task I5_and_I6_killed_after_leave_a_ready_run_that_any_listing_finds(ProtocolStep step)
    {
        await using var world = new World();
        await SubmitAndDieAsync(world, step, World.Ask());

        await RunToTheEndAsync(world, await TheRunAsync(world));
    }

    [Theory(Timeout = Limit)]
    [InlineData(ProtocolStep.C4, RunState.Queued)]
    [InlineData(ProtocolStep.C5, RunState.Claimed)]
    [InlineData(ProtocolStep.C6, RunState.Claimed)]
    [InlineData(ProtocolStep.C7, RunState.Claimed)]
    [InlineData(ProtocolStep.C8, RunState.Claimed)]
    [InlineData(ProtocolStep.C9, RunState.InProgress)]
    [InlineData(ProtocolStep.C10, RunState.InProgress)]
    [InlineData(ProtocolStep.S1, RunState.InProgress)]
    [InlineData(ProtocolStep.S2, RunState.InProgress)]
    [InlineData(ProtocolStep.S3, RunState.InProgress)]
    [InlineData(ProtocolStep.S4, RunState.InProgress)]
    [InlineData(ProtocolStep.S5, RunState.InProgress)]
    [InlineData(ProtocolStep.S6, RunState.InProgress)]
    [InlineData(ProtocolStep.S7, RunState.Succeeded)]
    [InlineData(ProtocolStep.S8, RunState.Succeeded)]
    [InlineData(ProtocolStep.S9, RunState.Succeeded)]
    [InlineData(ProtocolStep.S10, RunState.Succeeded)]
    [InlineData(ProtocolStep.S11, RunState.Succeeded)]
    public async Task A_host_killed_after_the_step_leaves_a_run_that_the_next_host_of_the_machine_ends(ProtocolStep step, RunState left)
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var answer = await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(key: "k") with { }, Cancellation);
        var runId = answer.Run.RunId;
        var process = world.NewProcess(step);
        world.StartHost(process, machine);
        await process.Killed.WaitAsync(Cancellation);
        Assert.Equal(left, (await world.FindAsync(runId))!.State);

        if (step is >= ProtocolStep.S9 and <= ProtocolStep.S11)
        {
            // Nothing is left on the machine: the tick finds the marker, once it is a minute old and the host is dead whose last heartbeat may name the run.
            world.Clock.Shift(World.Lease + TimeSpan.FromMinutes(2));
        }

        world.StartHost(machine);
        var record = await world.UntilSettledAsync(runId, Cancellation);

        Assert.Equal(RunState.Succeeded, record.State);
        Assert.Equal(1, record.Starts);
        Assert.Single(machine.Executions);
        Assert.All(machine.Executions.Values, count => Assert.Equal(1, count));
        Assert.Equal([$"{runId}:{record.Attempt}:completed"], world.CompletionIds(runId));
    }

    [Theory(Timeout = Limit)]
    [InlineData(ProtocolStep.C5, RunState.Succeeded, 1)]
    [InlineData(ProtocolStep.C8, RunState.Succeeded, 1)]
    [InlineData(ProtocolStep.C9, RunState.Error, 0)]
    [InlineData(ProtocolStep.C10, RunState.Error, 1)]
    [InlineData(ProtocolStep.S6, RunState.Error, 1)]
    [InlineData(ProtocolStep.S7, RunState.Succeeded, 1)]
    public async Task A_machine_lost_after_the_step_leaves_a_run_that_another_machine_settles_after_the_lease(ProtocolStep step, RunState end, int executions)
    {
        await using var world = new World { SharedLocks = false };
        var lost = world.NewMachine("lost");
        var other = world.NewMachine("other");
        var runId = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var process = world.NewProcess(step);
        world.StartHost(process, lost);
        await process.Killed.WaitAsync(Cancellation);

        // One tick before the lease is over changes nothing that is owned.
        var before = (await world.FindAsync(runId))!;
        world.Clock.Shift(TimeSpan.FromMinutes(2));
        await world.NewProcess().Core.Tick.TickAsync(Cancellation);
        Assert.Equal(before.State, (await world.FindAsync(runId))!.State);

        world.Clock.Shift(World.Lease);
        await world.NewProcess().Core.Tick.TickAsync(Cancellation);

        // A claim that was lost comes back after a pause.
        world.Clock.Shift(TimeSpan.FromSeconds(11));
        world.StartHost(other);
        var record = await world.UntilAsync(runId, run => run.State.IsTerminal(), Cancellation);
        await world.UntilAsync(async () => (await world.NamesAsync("active/")).Count == 0, Cancellation);

        Assert.Equal(end, record.State);
        Assert.Equal(end == RunState.Error ? RunReason.HostLost : RunReason.Completed, record.Reason);
        Assert.Equal(executions, lost.Executions.Count + other.Executions.Count);
        Assert.Equal([$"{runId}:{record.Attempt}:completed"], world.CompletionIds(runId));
    }

    [Theory(Timeout = Limit)]
    [InlineData(ProtocolStep.S8)]
    [InlineData(ProtocolStep.S9)]
    public async Task A_host_killed_after_it_put_a_lost_start_back_leaves_a_run_that_the_next_host_starts_at_once(ProtocolStep step)
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var ask = World.Ask();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(ask with { Request = ask.Request with { MaxAttempts = 2 } }, Cancellation)).Run.RunId;
        var first = world.NewProcess(ProtocolStep.C10);
        world.StartHost(first, machine);
        await first.Killed.WaitAsync(Cancellation);
        Assert.Single(machine.Directories).Value.ShimLost = true;

        // It has no room to claim the run itself before it is killed.
        var second = world.NewProcess(step);
        world.StartHost(second, machine, slots: 1);
        await second.Killed.WaitAsync(Cancellation);

        var record = await SettleAtOnceAsync(world, machine, run, step);
        Assert.Equal((RunState.Succeeded, 2, 2), (record.State, record.Attempt, record.Starts));
        Assert.Equal([1, 1], machine.Executions.Values);
    }

    [Theory(Timeout = Limit)]
    [InlineData(ProtocolStep.S8)]
    [InlineData(ProtocolStep.S9)]
    public async Task A_host_killed_after_it_gave_a_claimed_run_back_leaves_a_run_that_the_next_host_starts_at_once(ProtocolStep step)
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var process = new SimulatedProcess(world, killAfter: step)
        {
            // It can neither start nor settle before it was told to stop.
            Probe = new AtStep(ProtocolStep.C8, () => world.Outage = call => call.Name == RunBlobs.Record(run) ? new BlobStoreException("503", isTransient: true, null) : null),
        };
        var host = world.StartHost(process, machine);
        await UntilAsync(world, () => process.Steps.Contains(ProtocolStep.C8));
        host.Drain();
        host.Drain();
        await UntilAsync(world, () => machine.Directories.Values.All(directory => directory.Outcome is not null));
        world.Outage = null;
        await process.Killed.WaitAsync(Cancellation);

        var record = await SettleAtOnceAsync(world, machine, run, step);
        Assert.Equal((RunState.Succeeded, 2, 1, 0), (record.State, record.Attempt, record.Starts, record.PrestartFailures));
        Assert.Equal([1], machine.Executions.Values);
    }

    [Theory(Timeout = Limit)]
    [InlineData(ProtocolStep.A1)]
    [InlineData(ProtocolStep.A2)]
    public async Task An_adopter_killed_after_the_step_is_adopted_from_in_turn(ProtocolStep step)
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var runId = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var first = world.NewProcess(ProtocolStep.C10);
        world.StartHost(first, machine);
        await first.Killed.WaitAsync(Cancellation);
        var second = world.NewProcess(step);
        world.StartHost(second, machine);
        await second.Killed.WaitAsync(Cancellation);

        world.StartHost(machine);
        var record = await world.UntilSettledAsync(runId, Cancellation);

        Assert.Equal(RunState.Succeeded, record.State);
        Assert.Equal(1, record.Starts);
        Assert.Equal([1], machine.Executions.Values);
        Assert.Equal(step == ProtocolStep.A2 ? 3 : 2, record.Owner!.Fence);
    }

    [Fact(Timeout = Limit)]
    public async Task X1_killed_after_leaves_a_cancelled_run_whose_event_the_tick_sends()
    {
        await using var world = new World();
        var runId = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var canceller = world.NewProcess(ProtocolStep.X1);
        _ = canceller.Core.Cancels.CancelAsync(runId, "ann", null, Cancellation);
        await canceller.Killed.WaitAsync(Cancellation);
        Assert.Empty(world.CompletionIds(runId));

        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await world.NewProcess().Core.Tick.TickAsync(Cancellation);

        // The ready entry counts as indexed: the full look, once per lease and ticker, comes with a ticker's first tick.
        Assert.Equal([$"{runId}:0:completed"], world.CompletionIds(runId));
        Assert.Empty(await world.NamesAsync("ready/"));
        Assert.Empty(await world.NamesAsync("active/"));
    }

    [Fact(Timeout = Limit)]
    public async Task X2_killed_after_leaves_a_wish_that_the_host_reads_with_its_heartbeat()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        world.StartHost(machine);
        var runId = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(runId, run => run.State == RunState.InProgress, Cancellation);
        var canceller = world.NewProcess(ProtocolStep.X2);
        _ = canceller.Core.Cancels.CancelAsync(runId, "ann", "enough", Cancellation);
        await canceller.Killed.WaitAsync(Cancellation);
        Assert.Empty(await world.NamesAsync("signals/"));

        var record = await world.UntilSettledAsync(runId, Cancellation);

        Assert.Equal(RunReason.TaskCancelled, record.Reason);
    }

    [Fact(Timeout = Limit)]
    public async Task T1_killed_after_leaves_a_moved_entry_and_the_rest_to_the_next_tick()
    {
        await using var world = new World();
        var ask = World.Ask();
        var core = world.NewProcess().Core;
        for (var i = 0; i < 2; i++)
        {
            await core.Intake.SubmitAsync(ask with { Request = ask.Request with { NotBefore = world.Clock.GetUtcNow() + TimeSpan.FromHours(1) } }, Cancellation);
        }

        world.Clock.Shift(TimeSpan.FromHours(2));
        var ticker = world.NewProcess(ProtocolStep.T1);
        _ = ticker.Core.Tick.TickAsync(Cancellation);
        await ticker.Killed.WaitAsync(Cancellation);
        Assert.Single(await world.NamesAsync("ready/"));
        Assert.Single(await world.NamesAsync("later/"));

        await world.NewProcess().Core.Tick.TickAsync(Cancellation);

        Assert.Equal(2, (await world.NamesAsync("ready/")).Count);
        Assert.Empty(await world.NamesAsync("later/"));
    }

    [Fact(Timeout = Limit)]
    public async Task T4_killed_after_leaves_a_settled_record_whose_event_the_next_tick_sends()
    {
        await using var world = new World { SharedLocks = false };
        var runId = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var host = world.NewProcess(ProtocolStep.C10);
        world.StartHost(host, world.NewMachine("lost"));
        await host.Killed.WaitAsync(Cancellation);
        world.Clock.Shift(World.Lease + TimeSpan.FromMinutes(2));
        var ticker = world.NewProcess(ProtocolStep.T4);
        _ = ticker.Core.Tick.TickAsync(Cancellation);
        await ticker.Killed.WaitAsync(Cancellation);
        Assert.Equal(RunReason.HostLost, (await world.FindAsync(runId))!.Reason);
        Assert.Empty(world.CompletionIds(runId));

        await world.NewProcess().Core.Tick.TickAsync(Cancellation);

        Assert.Single(world.CompletionIds(runId));
        Assert.Empty(await world.NamesAsync("active/"));
    }

    /// <summary>By its directory or by its entry, and no clock is moved.</summary>
    private static async Task<RunRecord> SettleAtOnceAsync(World world, SimulatedMachine machine, RunId run, ProtocolStep step)
    {
        Assert.Equal(RunState.Queued, (await world.FindAsync(run))!.State);
        Assert.Equal(step == ProtocolStep.S8 ? (1, 0) : (0, 1), (machine.Directories.Count, (await world.NamesAsync("ready/")).Count));
        world.StartHost(machine);
        return await world.UntilSettledAsync(run, Cancellation);
    }

    private static Task UntilAsync(World world, Func<bool> condition) => world.UntilAsync(
        () =>
        {
            world.PulseSoon();
            return Task.FromResult(condition());
        },
        Cancellation);

    /// <summary>Does something at each of such steps, before the process goes on.</summary>
    private sealed class AtStep(ProtocolStep at, Action action) : IProtocolProbe
    {
        public void Passed(ProtocolStep step, RunId runId)
        {
            if (step == at)
            {
                action();
            }
        }
    }

    private static async Task SubmitAndDieAsync(World world, ProtocolStep step, RunSubmission submission)
    {
        var process = world.NewProcess(step);
        _ = process.Core.Intake.SubmitAsync(submission, Cancellation);
        await process.Killed.WaitAsync(Cancellation);
    }

    private static async Task<RunId> TheRunAsync(World world)
    {
        Assert.True(RunBlobs.TryParseRecord(Assert.Single(await world.NamesAsync("runs/")), out var runId));
        return runId;
    }

    private static async Task RunToTheEndAsync(World world, RunId runId)
    {
        var machine = world.NewMachine();
        world.StartHost(machine);
        var record = await world.UntilSettledAsync(runId, Cancellation);
        Assert.Equal(RunState.Succeeded, record.State);
        Assert.Equal([1], machine.Executions.Values);
        Assert.Single(world.CompletionIds(runId));
    }
}
