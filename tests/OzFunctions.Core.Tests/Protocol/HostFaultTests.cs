using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Protocol;
using OzFunctions.Queues;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>Hosts that are slow, cut off, or told the wrong thing at the wrong moment.</summary>
public sealed class HostFaultTests
{
    private const int Limit = 180_000;

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

    [Fact(Timeout = Limit)]
    public async Task A_key_that_is_regenerated_before_the_start_makes_the_run_wait_and_uses_up_no_try()
    {
        await using var world = new World();
        var lines = new LogLines();
        Task? tries = null;
        var process = new SimulatedProcess(world, killAfter: null, loggers: lines) { Probe = new Passing(ProtocolStep.C8, Refuse) };
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var machine = world.NewMachine();
        world.StartHost(process, machine);
        await world.UntilAsync(() => { world.PulseSoon(); return Task.FromResult(Volatile.Read(ref tries) is { IsCompleted: true } || !machine.Discarded.IsEmpty); }, Cancellation);

        // The new key is in its place.
        world.Outage = null;
        var record = await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal((RunState.Succeeded, 1, 1, 0), (record.State, record.Attempt, record.Starts, record.PrestartFailures));
        Assert.Single(lines.Written, line => line == $"Warning: Run {run} cannot be started now, its record cannot be written; it waits for the store");

        void Refuse()
        {
            world.Outage = _ => new BlobStoreException("The storage account refused the call (403 AuthenticationFailed): check the key.", isTransient: false, null) { RefusesAll = true };
            Volatile.Write(ref tries, world.CallsAsync(3, call => call is { Port: "blobs", Method: "TryReplaceAsync" } && call.Name.StartsWith("runs/", StringComparison.Ordinal)));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_that_slept_before_the_start_does_not_revive_a_run_that_was_ended_meanwhile()
    {
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var sleeper = world.NewPausedProcess(ProtocolStep.C7);
        world.StartHost(sleeper, machine);
        await sleeper.Paused.WaitAsync(Cancellation);
        await EndAsHostLostAsync(world, run);

        sleeper.Resume();
        await world.UntilAsync(() => { world.PulseSoon(); return Task.FromResult(machine.Directories.IsEmpty); }, Cancellation);

        Assert.Equal((RunState.Error, 0), ((await world.FindAsync(run))!.State, (await world.FindAsync(run))!.Starts));
        Assert.Empty(machine.Executions);
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_that_slept_before_it_took_the_key_does_not_give_back_a_run_that_was_ended_meanwhile()
    {
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        var sleeper = world.NewPausedProcess(ProtocolStep.C5);
        world.StartHost(sleeper, machine);
        await sleeper.Paused.WaitAsync(Cancellation);
        var other = (await core.Intake.SubmitAsync(Keyed(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        world.StartHost(world.NewMachine("other"));
        await world.UntilAsync(other, record => record.State == RunState.InProgress, Cancellation);
        await EndAsHostLostAsync(world, run);

        sleeper.Resume();
        await world.UntilAsync(() => { world.PulseSoon(); return Task.FromResult(machine.Directories.IsEmpty); }, Cancellation);

        Assert.Equal(RunState.Error, (await world.FindAsync(run))!.State);
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_whose_run_was_ended_from_elsewhere_stops_its_agent()
    {
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine();
        world.StartHost(machine);
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);

        await EndAsHostLostAsync(world, run);
        await world.UntilAsync(() => { world.PulseSoon(); return Task.FromResult(machine.Directories.IsEmpty); }, Cancellation);

        Assert.Equal(RunReason.HostLost, (await world.FindAsync(run))!.Reason);
    }

    [Fact(Timeout = Limit)]
    public async Task A_claim_cut_off_before_it_took_the_key_waits_for_the_key_when_it_is_adopted()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var core = world.NewProcess().Core;
        var first = (await core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C5);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);
        var second = (await core.Intake.SubmitAsync(Keyed(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        var other = world.NewMachine("other");
        world.StartHost(other, slots: 1);
        await world.UntilAsync(second, record => record.State == RunState.InProgress, Cancellation);

        world.StartHost(machine);
        var waiting = await world.UntilAsync(first, record => record.State is RunState.Queued || record.State.IsTerminal(), Cancellation);

        Assert.Equal((RunState.Queued, WaitingFor.ConcurrencyKey), (waiting.State, waiting.WaitingFor));

        // The other host met its entry while it was claimed, and deleted it.
        await world.UntilAsync(async () => (await world.NamesAsync("ready/")).Any(name => name.Contains(first.Value, StringComparison.Ordinal)), Cancellation);
        await core.Cancels.CancelAsync(second, "ann", null, Cancellation);
        await world.UntilSettledAsync(second, Cancellation);

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(first, Cancellation)).State);
        Assert.Equal(2, machine.Executions.Count + other.Executions.Count);
    }

    [Fact(Timeout = Limit)]
    public async Task A_cancel_between_the_start_in_the_record_and_the_agent_means_that_the_agent_is_not_executed()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C9);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);
        await core.Cancels.CancelAsync(run, "ann", null, Cancellation);

        world.StartHost(machine);
        var record = await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal(RunState.Cancelled, record.State);
        Assert.Empty(machine.Executions);
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_told_to_stop_in_the_middle_of_an_adoption_ends_what_it_adopted()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var dying = world.NewProcess();
        world.StartHost(dying, machine);
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);
        var host = world.StartHost(machine);
        await world.UntilAsync(async () => (await world.NamesAsync("hosts/")).Count == 2, Cancellation);
        var told = 0;
        world.Store.Before = async (method, name) =>
        {
            if (method == nameof(IBlobStore.TryReplaceAsync) && name == RunBlobs.Record(run) && Interlocked.Exchange(ref told, 1) == 0)
            {
                host.Drain();
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, Cancellation);
                host.Drain();
            }
        };

        dying.Kill();
        await world.RunningOf(host).WaitAsync(Cancellation);

        Assert.Equal(RunReason.GracefulShutdown, (await world.FindAsync(run))!.Reason);
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_that_could_not_be_carried_on_does_not_stay_among_those_that_run()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var sleeper = world.NewPausedProcess(ProtocolStep.S6);
        var host = world.StartHost(sleeper, world.NewMachine());
        await sleeper.Paused.WaitAsync(Cancellation);
        var stored = (await world.Store.FindAsync(RunBlobs.Record(run), Cancellation))!;
        await world.Store.PutAsync(stored.Name, "{}"u8.ToArray(), Cancellation);

        sleeper.Resume();
        await world.UntilAsync(() => { world.PulseSoon(); return Task.FromResult(host.RunningCount == 0); }, Cancellation);

        await world.UntilAsync(
            async () => (await core.Hosts.ListAsync(Cancellation)).Single(known => known.Heartbeat.HostId == host.HostId).Heartbeat.Running.Count == 0, Cancellation);
        await world.Store.PutAsync(stored.Name, stored.Content, Cancellation);
        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(run, Cancellation)).State);
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_whose_bell_is_broken_lists_waiting_runs_all_the_same()
    {
        await using var world = new World { BellIsBroken = true };
        world.StartHost(world.NewMachine());
        await world.UntilAsync(async () => (await world.NamesAsync("hosts/")).Count == 1, Cancellation);
        var intake = world.NewProcess().Core.Intake;
        for (var i = 0; i < 3; i++)
        {
            var run = (await intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
            Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(run, Cancellation)).State);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_whose_bell_fails_for_a_while_goes_on_with_the_same_listener_which_remembers_what_rang()
    {
        DeafBell? bell = null;
        await using var world = new World { BellDecorator = inner => bell = new(inner, failures: 2) };
        world.StartHost(world.NewMachine());

        await bell!.Heard.WaitAsync(Cancellation);

        Assert.Equal(1, bell.Listeners);
    }

    [Fact(Timeout = Limit)]
    public async Task What_a_run_ended_from_elsewhere_left_on_its_machine_is_ended_and_removed()
    {
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C10);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);
        world.Clock.Shift(World.Lease + TimeSpan.FromMinutes(2));
        await core.Tick.TickAsync(Cancellation);
        Assert.Equal(RunReason.HostLost, (await world.FindAsync(run))!.Reason);

        world.StartHost(machine);
        await world.UntilAsync(() => { world.PulseSoon(); return Task.FromResult(machine.Directories.IsEmpty); }, Cancellation);

        Assert.Equal([run], machine.Discarded);
    }

    [Fact(Timeout = Limit)]
    public async Task A_fault_of_the_host_in_a_run_ends_its_processes_before_the_record_says_that_it_is_over()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        world.StartHost(machine);
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(AgentPlan.CrashesBackend), Cancellation)).Run.RunId;

        var record = await world.UntilAsync(run, ended => ended.State.IsTerminal(), Cancellation);

        Assert.Equal(RunReason.Internal, record.Reason);
        Assert.Equal([run], machine.Discarded);
        await world.UntilSettledAsync(run, Cancellation);
        Assert.Single(world.CompletionIds(run));
    }

    [Fact(Timeout = Limit)]
    public async Task A_directory_that_could_not_be_discarded_is_looked_at_again()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        machine.DiscardFails = true;
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C4);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);

        world.StartHost(machine);
        await world.UntilAsync(run, record => record.State.IsTerminal(), Cancellation);
        await world.UntilAsync(() => { world.PulseSoon(); return Task.FromResult(machine.FailedDiscards > 0); }, Cancellation);
        machine.DiscardFails = false;
        world.Clock.Shift(TimeSpan.FromSeconds(10));

        await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal([run], machine.Discarded);
    }

    [Fact(Timeout = Limit)]
    public async Task A_slow_end_of_nobodys_attempt_holds_up_neither_the_start_of_a_host_nor_its_detach()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var teardown = new TaskCompletionSource();
        machine.Teardown = teardown.Task;
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C4);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);

        var host = world.StartHost(machine);
        await machine.Discarding.Task.WaitAsync(Cancellation);
        await world.UntilAsync(run, record => record.State.IsTerminal(), Cancellation);
        await world.UntilAsync(async () => (await world.NamesAsync("active/")).Count == 0, Cancellation);
        Assert.Empty(machine.Discarded);
        host.Detach();
        await world.RunningOf(host).WaitAsync(Cancellation);
        Assert.Empty(machine.Discarded);

        teardown.SetResult();
        world.StartHost(machine);
        await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal([run], machine.Discarded);
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_that_its_adopter_gives_back_for_want_of_room_is_in_the_index_again()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C5);
        var machine = world.NewMachine();
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);
        var holder = (await core.Intake.SubmitAsync(Keyed(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        world.StartHost(world.NewMachine("m2"));
        await world.UntilAsync(holder, record => record.State == RunState.InProgress, Cancellation);
        await world.UntilAsync(async () => (await world.NamesAsync("ready/")).Count == 0, Cancellation);

        world.StartHost(machine);
        await world.UntilAsync(run, record => record.WaitingFor == WaitingFor.ConcurrencyKey, Cancellation);
        await world.UntilAsync(async () => (await world.NamesAsync("ready/")).Count == 1, Cancellation);
        await core.Cancels.CancelAsync(holder, "ann", null, Cancellation);

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(run, Cancellation)).State);
    }

    /// <summary>What T4 writes when the owner is dead and no more tries are left; the owner stays in a terminal record.</summary>
    private static async Task EndAsHostLostAsync(World world, RunId run)
    {
        var records = new RunRecords(world.Blobs, world.Clock);
        var stored = (await records.FindAsync(run, Cancellation))!;
        Assert.True(stored.Record.State.IsOwned());
        Assert.NotNull(await records.TryReplaceAsync(stored, stored.Record with { State = RunState.Error, Reason = RunReason.HostLost }, Cancellation));
    }

    /// <summary>Does something at the first of such steps.</summary>
    private sealed class Passing(ProtocolStep at, Action action) : IProtocolProbe
    {
        private int _passed;

        public void Passed(ProtocolStep step, RunId runId)
        {
            if (step == at && Interlocked.Exchange(ref _passed, 1) == 0)
            {
                action();
            }
        }
    }

    private static Intake.RunSubmission Keyed(AgentPlan plan)
    {
        var ask = World.Ask(plan);
        return ask with { Request = ask.Request with { ConcurrencyKey = "repo" } };
    }

    /// <summary>The first waits of its listeners fail, and meanwhile it rings.</summary>
    private sealed class DeafBell(IBell inner, int failures) : IBell
    {
        private readonly TaskCompletionSource _heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _listeners;
        private int _waits;

        public int Listeners => Volatile.Read(ref _listeners);

        /// <summary>A wait after those was told at once that it rang.</summary>
        public Task Heard => _heard.Task;

        public Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken) => inner.RingAsync(workerId, runId, cancellationToken);

        public IBellListener Listen(string workerId)
        {
            Interlocked.Increment(ref _listeners);
            return new Listener(this, workerId);
        }

        private sealed class Listener(DeafBell bell, string workerId) : IBellListener
        {
            private readonly IBellListener _inner = bell.Inner.Listen(workerId);

            public RunId? LastRun => _inner.LastRun;

            public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
            {
                if (Interlocked.Increment(ref bell._waits) <= bell.Failures)
                {
                    await bell.Inner.RingAsync(workerId, RunId.Create(TimeProvider.System), cancellationToken);
                    throw new BlobStoreException("cut off", isTransient: true, null);
                }

                var rang = await _inner.WaitAsync(atMost, cancellationToken);
                if (rang)
                {
                    bell._heard.TrySetResult();
                }

                return rang;
            }

            public ValueTask DisposeAsync() => _inner.DisposeAsync();
        }

        private IBell Inner => inner;

        private int Failures => failures;
    }
}
