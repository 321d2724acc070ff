using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>A host that ends before it knows what became of its last write: others must not take for dead what may live.</summary>
public sealed class LeavingTests
{
    private const int Limit = 180_000;

    /// <summary>From then on a tick looks at a run.</summary>
    private static readonly TimeSpan UntilTicksLook = TimeSpan.FromMinutes(2);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = Limit)]
    [InlineData(ProtocolStep.C8)]
    [InlineData(ProtocolStep.C10)]
    public async Task A_host_that_ends_after_an_adoption_that_was_not_answered_leaves_the_run_to_its_lease(ProtocolStep step)
    {
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine();
        var core = world.NewProcess().Core;
        var ask = World.Ask();
        var run = (await core.Intake.SubmitAsync(ask with { Request = ask.Request with { MaxAttempts = 2 } }, Cancellation)).Run.RunId;
        var dying = world.NewProcess(step);
        await ForgetAsync(world, dying, world.StartHost(dying, machine));
        world.Clock.Shift(UntilTicksLook);

        var host = await EndUnansweredAsync(world, machine, run, goesOn: false);
        var left = (await world.FindAsync(run))!;
        Assert.Equal(host.HostId, left.Owner!.HostId);
        await core.Tick.TickAsync(Cancellation);

        var record = (await world.FindAsync(run))!;
        Assert.Equal((left.State, left.Owner), (record.State, record.Owner));
        world.StartHost(machine);
        record = await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal((RunState.Succeeded, 1, 1), (record.State, record.Starts, record.Attempt));
        Assert.Equal([1], machine.Executions.Values);
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_whose_adoption_was_answered_in_the_end_leaves_no_heartbeat()
    {
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C10);
        await ForgetAsync(world, dying, world.StartHost(dying, machine));
        var adopting = world.NewProcess();
        var unanswered = new Unanswered(RunBlobs.Record(run), () => Task.CompletedTask);
        adopting.Faults = unanswered;
        var host = world.StartHost(adopting, machine);

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(run, Cancellation)).State);
        host.Drain();
        await world.RunningOf(host).WaitAsync(Cancellation);

        Assert.True(unanswered.Met);
        Assert.Empty(await world.NamesAsync("hosts/"));
    }

    [Fact(Timeout = Limit)]
    public async Task An_exec_that_ends_after_an_adoption_that_was_not_answered_leaves_the_run_to_its_lease()
    {
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine();
        var first = world.NewProcess();
        var backend = new SimulatedBackend(first, machine);
        var directory = backend.CreateDirectory(new() { Store = first.Core.Ports.StoreId, RunId = RunId.Create(world.Clock), Attempt = 1 });
        var begun = first.Core.CreateUnmanaged(Options(), backend, backend);
        var run = (await begun.BeginAsync(World.Ask() with { Trigger = new() { Kind = TriggerKind.Exec } }, directory, Cancellation)).RunId;
        first.Kill();
        await world.Blobs.TryDeleteAsync(Assert.Single(await world.NamesAsync("hosts/")), null, Cancellation);
        world.Clock.Shift(UntilTicksLook);

        var second = world.NewProcess();
        second.Faults = new Unanswered(RunBlobs.Record(run), () => Task.CompletedTask);
        var others = new SimulatedBackend(second, machine);
        Assert.Equal(0, await second.Core.CreateUnmanaged(Options(), others, others).SettleOnlyAsync(Cancellation));
        var left = (await world.FindAsync(run))!;
        Assert.Equal(HostHeartbeat.NameOf(left.Owner!.HostId), Assert.Single(await world.NamesAsync("hosts/")));
        await world.NewProcess().Core.Tick.TickAsync(Cancellation);

        Assert.Equal(RunState.Claimed, (await world.FindAsync(run))!.State);

        static WorkerOptions Options() => new() { WorkerId = "local", Machine = "m1", Version = "test", Lease = World.Lease };
    }

    [Fact(Timeout = Limit)]
    public async Task A_claim_that_was_neither_answered_nor_given_up_waits_for_no_lease_when_its_host_ends()
    {
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;

        await EndUnansweredAsync(world, machine, run, goesOn: true);
        Assert.Equal(RunState.Claimed, (await world.FindAsync(run))!.State);
        world.Clock.Shift(UntilTicksLook);
        await core.Tick.TickAsync(Cancellation);

        // Nothing of it had been started anywhere.
        var back = (await world.FindAsync(run))!;
        Assert.Equal((RunState.Queued, WaitingFor.Retry, 0), (back.State, back.WaitingFor, back.Starts));
        world.Clock.Shift(TimeSpan.FromSeconds(11));
        world.StartHost(machine);
        var record = await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal((RunState.Succeeded, 1), (record.State, record.Starts));
        Assert.Equal([1], machine.Executions.Values);
    }

    /// <summary>A host that is told to end when its first write of the record was done and not answered.</summary>
    private static async Task<WorkerHost> EndUnansweredAsync(World world, SimulatedMachine machine, RunId run, bool goesOn)
    {
        var told = new TaskCompletionSource<WorkerHost>(TaskCreationOptions.RunContinuationsAsynchronously);
        var process = world.NewProcess();
        process.Faults = new Unanswered(RunBlobs.Record(run), async () => (await told.Task).Drain()) { GoesOn = goesOn };
        var host = world.StartHost(process, machine);
        told.SetResult(host);
        await world.RunningOf(host).WaitAsync(Cancellation);
        return host;
    }

    /// <summary>T3 believes the last heartbeat of a host that was killed, which may name the run: here there is none.</summary>
    private static async Task ForgetAsync(World world, SimulatedProcess dying, WorkerHost host)
    {
        await dying.Killed.WaitAsync(Cancellation);
        await dying.NothingOnTheWayAsync();
        await world.Blobs.TryDeleteAsync(HostHeartbeat.NameOf(host.HostId), null, Cancellation);
    }

    /// <summary>The first write of a blob is done, and not answered.</summary>
    private sealed class Unanswered(string name, Func<Task> then) : IPortFaults
    {
        private int _met;

        /// <summary>Nothing of the blob is answered any more, or done.</summary>
        public bool GoesOn { get; init; }

        public bool Met => Volatile.Read(ref _met) != 0;

        public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
        {
            if (call.Name != name || (Met ? !GoesOn : !call.Writes))
            {
                return await make();
            }

            if (Interlocked.Exchange(ref _met, 1) == 0)
            {
                await make();
                await then();
            }

            throw new BlobStoreException("The store answers 503.", isTransient: true, null);
        }
    }
}
