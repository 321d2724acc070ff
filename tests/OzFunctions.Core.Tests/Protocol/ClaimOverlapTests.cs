using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>What a claim does at the same time, so that a store beyond a network costs fewer round trips one after the other.</summary>
public sealed class ClaimOverlapTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task The_record_of_a_run_that_rang_is_read_while_the_index_is_listed()
    {
        await using var world = new World();
        var process = await StartIdleHostAsync(world);
        process.Faults = new ListingAfterRecord();

        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;

        Assert.Equal(1, (await world.UntilSettledAsync(run, Cancellation)).Starts);
    }

    [Fact(Timeout = Limit)]
    public async Task The_attempt_directory_of_a_run_that_rang_is_made_while_the_index_is_listed()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var process = await StartIdleHostAsync(world, machine);
        process.Faults = new ListingAfterDirectory(machine);

        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;

        Assert.Equal(1, (await world.UntilSettledAsync(run, Cancellation)).Starts);
        await world.UntilAsync(() => Task.FromResult(machine.Directories.IsEmpty), Cancellation);
    }

    [Fact(Timeout = Limit)]
    public async Task A_directory_made_for_a_run_whose_turn_does_not_come_is_removed()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var process = await StartIdleHostAsync(world, machine);
        var made = new ListingAfterDirectory(machine);
        process.Faults = made;
        var records = new RunRecords(world.Blobs, world.Clock);
        var (run, queued) = await PutClaimedAsync(world, records);
        await records.UpdateAsync(run, null, _ => RecordDecision.Write(queued), Cancellation);

        // It waits, and has no entry.
        await world.Bell.RingAsync("local", run, Cancellation);

        await made.Listed.WaitAsync(Cancellation);
        await world.UntilAsync(() => Task.FromResult(machine.Directories.IsEmpty), Cancellation);
        Assert.Equal(RunState.Queued, (await records.FindAsync(run, Cancellation))!.Record.State);
    }

    [Fact(Timeout = Limit)]
    public async Task A_record_read_before_its_entry_came_does_not_cost_the_run_its_entry()
    {
        await using var world = new World();
        await StartIdleHostAsync(world);
        var records = new RunRecords(world.Blobs, world.Clock);
        var (run, queued) = await PutClaimedAsync(world, records);
        world.Store.Before = async (method, name) =>
        {
            if (IsListing(method, name))
            {
                // Its owner gives it back between the two reads.
                world.Store.Before = null;
                await records.UpdateAsync(run, null, _ => RecordDecision.Write(queued), Cancellation);
                await world.Blobs.PutAsync(ReadyEntry.Of(queued).Name, ReadOnlyMemory<byte>.Empty, Cancellation);
            }
        };

        await world.Bell.RingAsync("local", run, Cancellation);

        Assert.Equal(1, (await world.UntilSettledAsync(run, Cancellation)).Starts);
    }

    [Fact(Timeout = Limit)]
    public async Task The_workspace_is_made_while_the_entry_is_deleted_and_the_start_waits_for_both()
    {
        await using var world = new World();
        var process = await StartIdleHostAsync(world);
        var prepared = new StepSignal(ProtocolStep.C8);
        process.Probe = prepared;
        world.Store.Before = (method, name) =>
            method == nameof(IBlobStore.TryDeleteAsync) && name.StartsWith(ReadyEntry.Prefix, StringComparison.Ordinal) ? prepared.Passed : Task.CompletedTask;

        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal(
            [ProtocolStep.C8, ProtocolStep.C7, ProtocolStep.C9], process.Steps.Where(step => step is ProtocolStep.C7 or ProtocolStep.C8 or ProtocolStep.C9));
    }

    [Fact(Timeout = Limit)]
    public async Task An_entry_that_could_not_be_deleted_costs_nothing()
    {
        await using var world = new World();
        await StartIdleHostAsync(world);
        var failed = false;
        world.Store.Before = (method, name) =>
        {
            if (!failed && method == nameof(IBlobStore.TryDeleteAsync) && name.StartsWith(ReadyEntry.Prefix, StringComparison.Ordinal))
            {
                failed = true;
                throw new BlobStoreException("503", isTransient: true, null);
            }

            return Task.CompletedTask;
        };

        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var record = await world.UntilSettledAsync(run, Cancellation);

        Assert.True(failed);
        Assert.Equal((RunState.Succeeded, 1, 1), (record.State, record.Attempt, record.Starts));
    }

    /// <summary>A host on a clock of its own that stands still: it lists once at its start, and then only when the bell rings or a slot falls free.</summary>
    private static async Task<SimulatedProcess> StartIdleHostAsync(World world, SimulatedMachine? machine = null)
    {
        var listed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Store.After = (method, name) =>
        {
            if (IsListing(method, name))
            {
                listed.TrySetResult();
            }

            return Task.CompletedTask;
        };
        var process = world.NewProcess(new ManualTimeProvider());
        world.StartHost(process, machine ?? world.NewMachine());
        await listed.Task.WaitAsync(Cancellation);
        world.Store.After = null;
        return process;
    }

    private static async Task<(RunId Run, RunRecord Queued)> PutClaimedAsync(World world, RunRecords records)
    {
        var now = world.Clock.GetUtcNow();
        var queued = new RunRecord
        {
            RunId = RunId.Create(world.Clock),
            State = RunState.Queued,
            CreatedAt = now,
            UpdatedAt = now,
            WorkerId = "local",
            Request = World.Ask().Request,
            Trigger = World.Ask().Trigger,
        };
        await records.TryCreateAsync(queued with { State = RunState.Claimed, Owner = new("another", 1, "0123456789abcdef") }, Cancellation);
        return (queued.RunId, queued);
    }

    private static bool IsListing(string method, string name) => method == nameof(IBlobStore.ListAsync) && name.StartsWith(ReadyEntry.Prefix, StringComparison.Ordinal);

    /// <summary>A store that answers a listing only once a record was asked for by the same process.</summary>
    private sealed class ListingAfterRecord : IPortFaults
    {
        private readonly TaskCompletionSource _read = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
        {
            if (call.Method == nameof(IBlobStore.FindAsync) && call.Name.StartsWith(RunBlobs.RecordPrefix, StringComparison.Ordinal))
            {
                _read.TrySetResult();
            }

            if (IsListing(call.Method, call.Name))
            {
                await _read.Task;
            }

            return await make();
        }
    }

    /// <summary>A store that answers a listing only once an attempt directory stands on the machine.</summary>
    private sealed class ListingAfterDirectory(SimulatedMachine machine) : IPortFaults
    {
        private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Listed => _listed.Task;

        public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
        {
            if (_listed.Task.IsCompleted || !IsListing(call.Method, call.Name))
            {
                return await make();
            }

            while (machine.Directories.IsEmpty)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Cancellation);
            }

            _listed.TrySetResult();
            return await make();
        }
    }

    private sealed class StepSignal(ProtocolStep step) : IProtocolProbe
    {
        private readonly TaskCompletionSource _passed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Passed => _passed.Task;

        void IProtocolProbe.Passed(ProtocolStep passed, RunId runId)
        {
            if (passed == step)
            {
                _passed.TrySetResult();
            }
        }
    }
}
