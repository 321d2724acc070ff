using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Schedules;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Dispatch;
using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Protocol;

public sealed class ClaimTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_hundred_runs_on_two_hosts_are_each_started_once()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        world.StartHost(machine);
        world.StartHost(machine);
        var intake = world.NewProcess().Core.Intake;

        var runs = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => Task.Run(() => intake.SubmitAsync(World.Ask(), Cancellation))));

        foreach (var run in runs)
        {
            Assert.Equal(1, (await world.UntilSettledAsync(run.Run.RunId, Cancellation)).Starts);
            Assert.Single(world.CompletionIds(run.Run.RunId));
        }

        Assert.Equal(100, machine.Executions.Count);
        Assert.All(machine.Executions.Values, count => Assert.Equal(1, count));
    }

    [Fact(Timeout = Limit)]
    public async Task Claim_order_is_waiting_time_with_priority()
    {
        await using var world = new World();
        var intake = world.NewProcess().Core.Intake;
        var ask = World.Ask();
        async Task<RunId> SubmitAsync(int priority) =>
            (await intake.SubmitAsync(ask with { Request = ask.Request with { Priority = priority } }, Cancellation)).Run.RunId;
        var old = await SubmitAsync(0);
        world.Clock.Shift(TimeSpan.FromMinutes(15));
        var low = await SubmitAsync(-1);
        var next = await SubmitAsync(1);
        var urgent = await SubmitAsync(2);
        var process = world.NewProcess();
        var machine = world.NewMachine();
        world.StartHost(process, machine, slots: 1);

        await world.UntilSettledAsync(low, Cancellation);

        Assert.Equal([urgent, old, next, low], machine.Order);
    }

    [Fact(Timeout = Limit)]
    public async Task A_concurrency_key_has_one_live_attempt_at_a_time()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var core = world.NewProcess().Core;
        world.StartHost(machine);
        world.StartHost(machine);
        var first = (await core.Intake.SubmitAsync(Keyed(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(first, run => run.State == RunState.InProgress, Cancellation);
        var second = (await core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds), Cancellation)).Run.RunId;

        var waiting = await world.UntilAsync(second, run => run.WaitingFor == WaitingFor.ConcurrencyKey, Cancellation);
        Assert.Equal(RunState.Queued, waiting.State);
        await core.Cancels.CancelAsync(first, "ann", null, Cancellation);

        Assert.Equal(RunState.Cancelled, (await world.UntilSettledAsync(first, Cancellation)).State);
        world.Clock.Shift(TimeSpan.FromSeconds(6));
        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(second, Cancellation)).State);
        Assert.Empty(await world.NamesAsync("locks/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_concurrency_key_has_as_many_live_attempts_as_the_policy_gives_it()
    {
        await using var world = new World { RoomPerKey = 2 };
        var core = world.NewProcess().Core;
        world.StartHost(world.NewMachine());
        var first = await SubmitAsync(AgentPlan.UntilStopped);
        var second = await SubmitAsync(AgentPlan.UntilStopped);
        await world.UntilAsync(first, run => run.State == RunState.InProgress, Cancellation);
        await world.UntilAsync(second, run => run.State == RunState.InProgress, Cancellation);
        var third = await SubmitAsync(AgentPlan.Succeeds);

        var waiting = await world.UntilAsync(third, run => run.WaitingFor == WaitingFor.ConcurrencyKey || run.State.IsTerminal(), Cancellation);
        Assert.Equal((RunState.Queued, 0), (waiting.State, waiting.Starts));
        await core.Cancels.CancelAsync(first, "ann", null, Cancellation);
        await world.UntilSettledAsync(first, Cancellation);
        world.Clock.Shift(TimeSpan.FromSeconds(6));

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(third, Cancellation)).State);
        Assert.Equal(RunState.InProgress, (await world.FindAsync(second))!.State);

        async Task<RunId> SubmitAsync(AgentPlan plan) => (await core.Intake.SubmitAsync(Keyed(plan), Cancellation)).Run.RunId;
    }

    /// <summary>Design section 8, <c>target_dir</c>: two runs in one checkout would write into each other's work.</summary>
    [Fact(Timeout = Limit)]
    public async Task Runs_that_share_a_directory_go_one_after_the_other_but_those_with_a_key_of_their_own()
    {
        await using var world = new World { SharedKey = "/srv/monorepo" };
        var core = world.NewProcess().Core;
        world.StartHost(world.NewMachine());
        var first = await SubmitAsync(World.Ask(AgentPlan.UntilStopped));
        await world.UntilAsync(first, run => run.State == RunState.InProgress, Cancellation);
        var second = await SubmitAsync(World.Ask(AgentPlan.Succeeds));
        var keyed = await SubmitAsync(Keyed(AgentPlan.Succeeds));

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(keyed, Cancellation)).State);
        var waiting = await world.UntilAsync(second, run => run.WaitingFor == WaitingFor.ConcurrencyKey || run.State.IsTerminal(), Cancellation);
        Assert.Equal((RunState.Queued, 0), (waiting.State, waiting.Starts));
        await core.Cancels.CancelAsync(first, "ann", null, Cancellation);
        await world.UntilSettledAsync(first, Cancellation);

        var ended = await world.UntilSettledAsync(second, Cancellation);
        Assert.Equal((RunState.Succeeded, "/srv/monorepo"), (ended.State, ended.ConcurrencyKey));
        Assert.Empty(await world.NamesAsync("locks/"));

        async Task<RunId> SubmitAsync(RunSubmission ask) => (await core.Intake.SubmitAsync(ask, Cancellation)).Run.RunId;
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_whose_host_died_with_the_shared_directory_leaves_it_to_the_next()
    {
        await using var world = new World { SharedKey = "/srv/monorepo" };
        var core = world.NewProcess().Core;
        var first = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.S7);
        world.StartHost(dying, world.NewMachine());
        await dying.Killed.WaitAsync(Cancellation);
        Assert.Single(await world.NamesAsync("locks/"));
        Assert.Equal(RunState.Succeeded, (await world.FindAsync(first))!.State);

        var second = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        world.StartHost(world.NewMachine("other"));

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(second, Cancellation)).State);
        Assert.Empty(await world.NamesAsync("locks/"));
    }

    /// <summary>As a version left it that gave such runs no key.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_adopted_run_that_works_in_the_shared_directory_holds_it_from_then_on()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var machine = world.NewMachine();
        machine.SharedWorkspace = "/srv/monorepo";
        var first = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C10);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);
        Assert.Empty(await world.NamesAsync("locks/"));

        world.SharedKey = "/srv/monorepo";
        world.StartHost(machine);
        await world.UntilAsync(first, run => run.ConcurrencyKey == world.SharedKey, Cancellation);
        var second = (await core.Intake.SubmitAsync(World.Ask(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        var waiting = await world.UntilAsync(second, run => run.WaitingFor == WaitingFor.ConcurrencyKey || run.State.IsTerminal(), Cancellation);
        Assert.Equal((RunState.Queued, 0), (waiting.State, waiting.Starts));
        await core.Cancels.CancelAsync(first, "ann", null, Cancellation);
        await world.UntilSettledAsync(first, Cancellation);

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(second, Cancellation)).State);
        Assert.Empty(await world.NamesAsync("locks/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_directory_that_was_held_from_an_adoption_on_is_let_go_also_when_that_host_dies_right_after_the_end()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        machine.SharedWorkspace = "/srv/monorepo";
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.S6);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);

        world.SharedKey = "/srv/monorepo";
        var adopting = world.NewProcess(ProtocolStep.S7);
        world.StartHost(adopting, machine);
        await adopting.Killed.WaitAsync(Cancellation);
        Assert.NotEmpty(await world.NamesAsync("locks/"));
        world.StartHost(machine);

        var ended = await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal((RunState.Succeeded, "/srv/monorepo"), (ended.State, ended.ConcurrencyKey));
        Assert.Empty(await world.NamesAsync("locks/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_holder_of_a_key_that_died_does_not_block_it()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var machine = world.NewMachine();
        var first = (await core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.S7);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);
        Assert.Single(await world.NamesAsync("locks/"));
        Assert.Equal(RunState.Succeeded, (await world.FindAsync(first))!.State);

        var second = (await core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        world.StartHost(world.NewMachine("other"));

        Assert.Equal(RunState.Succeeded, (await world.UntilAsync(second, run => run.State.IsTerminal(), Cancellation)).State);
    }

    [Fact(Timeout = Limit)]
    public async Task Skip_ends_a_run_whose_key_is_taken()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        world.StartHost(world.NewMachine());
        var first = (await core.Intake.SubmitAsync(Keyed(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(first, run => run.State == RunState.InProgress, Cancellation);

        var second = (await core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds, ConflictRule.Skip), Cancellation)).Run.RunId;
        var record = await world.UntilSettledAsync(second, Cancellation);

        Assert.Equal(RunState.Cancelled, record.State);
        Assert.Contains("on_conflict: skip", record.Message, StringComparison.Ordinal);
        Assert.Equal(RunState.InProgress, (await world.FindAsync(first))!.State);
    }

    [Fact(Timeout = Limit)]
    public async Task Cancel_previous_ends_waiting_and_running_runs_of_the_key()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        world.StartHost(world.NewMachine());
        var running = (await core.Intake.SubmitAsync(Keyed(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(running, run => run.State == RunState.InProgress, Cancellation);
        var waiting = (await core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds), Cancellation)).Run.RunId;
        await world.UntilAsync(waiting, run => run.WaitingFor == WaitingFor.ConcurrencyKey, Cancellation);

        // Runs of one millisecond have no order that anyone could rely on.
        world.Clock.Shift(TimeSpan.FromSeconds(1));
        var newest = (await core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds, ConflictRule.CancelPrevious), Cancellation)).Run.RunId;

        Assert.Equal(RunState.Cancelled, (await world.UntilSettledAsync(waiting, Cancellation)).State);
        world.Clock.Shift(TimeSpan.FromSeconds(6));
        Assert.Equal(RunState.Cancelled, (await world.UntilSettledAsync(running, Cancellation)).State);
        world.Clock.Shift(TimeSpan.FromSeconds(6));
        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(newest, Cancellation)).State);
    }

    [Fact(Timeout = Limit)]
    public async Task Cancel_previous_ends_older_runs_of_the_key_that_wait_for_a_time_ahead_and_no_others()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var ahead = world.Clock.GetUtcNow().AddHours(1);
        async Task<RunId> SubmitAsync(ConflictRule? rule = null, string key = "repo", string? worker = null)
        {
            var ask = Keyed(AgentPlan.Succeeds, rule);

            // Runs of one millisecond have no order that anyone could rely on.
            world.Clock.Shift(TimeSpan.FromSeconds(1));
            return (await core.Intake.SubmitAsync(ask with { Request = ask.Request with { NotBefore = ahead, ConcurrencyKey = key, WorkerId = worker } }, Cancellation)).Run.RunId;
        }

        var (older, otherKey, otherWorker) = (await SubmitAsync(), await SubmitAsync(key: "other"), await SubmitAsync(worker: "other"));

        var newest = await SubmitAsync(ConflictRule.CancelPrevious);

        Assert.Equal(
            [RunState.Cancelled, RunState.Queued, RunState.Queued, RunState.Queued],
            await Task.WhenAll(((RunId[])[older, otherKey, otherWorker, newest]).Select(async run => (await world.FindAsync(run))!.State)));
        Assert.Equal(3, (await world.NamesAsync("later/")).Count);
    }

    [Fact(Timeout = Limit)]
    public async Task Cancel_previous_reads_no_run_that_waits_for_a_time_ahead_under_another_key_or_for_another_worker()
    {
        var scene = new ScheduleScene();
        async Task<RunId> SubmitAsync(string key, string? worker = null, ConflictRule? rule = null)
        {
            scene.Clock.Advance(TimeSpan.FromSeconds(1));
            var ask = Keyed(AgentPlan.Succeeds, rule);
            return (await scene.Process.Intake.SubmitAsync(ask with { Request = ask.Request with { NotBefore = ScheduleScene.Start.AddDays(1), ConcurrencyKey = key, WorkerId = worker } }, Cancellation)).Run.RunId;
        }

        for (var i = 0; i < 20; i++)
        {
            await SubmitAsync($"other {i}");
            await SubmitAsync("repo", "other");
        }

        var older = await SubmitAsync("repo");
        var ofOldVersion = await SubmitAsync("repo");
        await scene.Store.PutAsync(LaterEntry.ReadyAt(ofOldVersion, ScheduleScene.Start.AddDays(1)).Name, default, Cancellation);
        var read = new System.Collections.Concurrent.ConcurrentDictionary<string, bool>();
        scene.Store.Before = (method, name) =>
        {
            if (method == "FindAsync" && name.StartsWith("runs/", StringComparison.Ordinal))
            {
                read[name] = true;
            }

            return Task.CompletedTask;
        };

        var newest = await SubmitAsync("repo", rule: ConflictRule.CancelPrevious);

        Assert.Equal(((RunId[])[older, ofOldVersion]).Select(RunBlobs.Record).Order(), read.Keys.Where(name => name != RunBlobs.Record(newest)).Order());
        Assert.Equal([RunState.Cancelled, RunState.Cancelled], await Task.WhenAll(((RunId[])[older, ofOldVersion]).Select(async run => (await scene.Process.Records.FindAsync(run, Cancellation))!.Record.State)));
    }

    [Fact(Timeout = Limit)]
    public async Task A_lost_answer_at_any_write_of_a_whole_run_changes_nothing()
    {
        for (var lost = 1; lost <= 16; lost++)
        {
            await using var world = new World();
            var machine = world.NewMachine();
            var answer = await world.NewProcess().Core.Intake.SubmitAsync(Keyed(AgentPlan.Succeeds), Cancellation);
            world.LoseAnswerOf(lost);
            world.StartHost(machine);

            var record = await world.UntilSettledAsync(answer.Run.RunId, Cancellation);

            Assert.Equal(RunState.Succeeded, record.State);
            Assert.Equal((1, 1), (record.Starts, record.Attempt));
            Assert.Equal([1], machine.Executions.Values);
            Assert.Single(world.CompletionIds(answer.Run.RunId));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task An_outage_at_any_write_of_a_whole_run_loses_nothing()
    {
        for (var first = 1; first <= 12; first++)
        {
            await using var world = new World();
            var machine = world.NewMachine();
            var answer = await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation);
            world.BreakStoreAfter(first, writes: 2);
            world.StartHost(machine);
            var clock = Task.Run(
                async () =>
                {
                    // The pauses of the host are the real clock's; what the tick must see is a marker older than a minute.
                    await world.UntilAsync(answer.Run.RunId, run => run.State.IsTerminal(), Cancellation);
                    world.Clock.Shift(TimeSpan.FromSeconds(61));
                },
                Cancellation);

            var record = await world.UntilSettledAsync(answer.Run.RunId, Cancellation);
            await clock;

            Assert.Equal(RunState.Succeeded, record.State);
            Assert.Equal([1], machine.Executions.Values);
            Assert.Single(world.CompletionIds(answer.Run.RunId));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_record_that_is_nonsense_is_skipped_and_harms_nobody()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var broken = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await world.Blobs.PutAsync(RunBlobs.Record(broken), "{\"schema\":1,\"state\":\"HAPPY\"}"u8.ToArray(), Cancellation);
        var good = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        world.StartHost(world.NewMachine());

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(good, Cancellation)).State);
        world.Clock.Shift(TimeSpan.FromMinutes(2));
        await core.Tick.TickAsync(Cancellation);
        var named = new List<string>();
        var page = await core.Records.ListAsync(null, 10, problem => named.Add(problem.Message), Cancellation);
        Assert.Single(page.Runs);
        Assert.Single(named);
    }

    [Fact(Timeout = Limit)]
    public async Task A_paused_worker_takes_nothing_until_it_is_resumed()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        await core.Workers.SetPausedAsync("local", true, Cancellation);
        var host = world.StartHost(world.NewMachine());
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await world.UntilAsync(
            async () => (await core.Hosts.ListAsync(Cancellation)).Any(known => known.Heartbeat.NotReady?.Contains("paused", StringComparison.Ordinal) == true), Cancellation);
        Assert.Equal(RunState.Queued, (await world.FindAsync(run))!.State);

        await core.Workers.SetPausedAsync("local", false, Cancellation);
        world.Clock.Shift(TimeSpan.FromSeconds(3));

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(run, Cancellation)).State);
        Assert.Null(host.NotReady);
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_that_comes_after_the_pause_is_not_claimed_however_short_ago_the_host_looked()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var host = world.StartHost(world.NewMachine());
        var before = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await world.UntilAsync(before, run => run.State.IsTerminal(), Cancellation);

        await core.Workers.SetPausedAsync("local", true, Cancellation);
        var after = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await world.UntilAsync(async () => host.NotReady is not null || (await world.FindAsync(after))!.State != RunState.Queued, Cancellation);

        Assert.Equal(RunState.Queued, (await world.FindAsync(after))!.State);
    }

    [Fact(Timeout = Limit)]
    public async Task A_pause_between_two_claims_of_one_listing_leaves_the_second_run()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var first = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;

        // Runs of one millisecond stand in any order.
        world.Clock.Shift(TimeSpan.FromMilliseconds(1));
        RunId[] runs = [first, (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId];
        var paused = 0;
        world.Store.Before = async (call, name) =>
        {
            // The first run is being claimed.
            if (call == nameof(IBlobStore.TryReplaceAsync) && name == RunBlobs.Record(runs[0]) && Interlocked.Exchange(ref paused, 1) == 0)
            {
                await core.Workers.SetPausedAsync("local", true, Cancellation);
            }
        };

        var host = world.StartHost(world.NewMachine());
        await world.UntilAsync(async () => host.NotReady is not null || (await world.FindAsync(runs[1]))!.State != RunState.Queued, Cancellation);

        Assert.Equal(RunState.Queued, (await world.FindAsync(runs[1]))!.State);
        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(runs[0], Cancellation)).State);
    }

    [Fact(Timeout = Limit)]
    public async Task The_look_for_a_pause_stands_beside_the_read_of_the_record_and_holds_up_no_claim()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var process = world.NewProcess();
        process.Faults = new Together("control.json", run.Value);

        world.StartHost(process, world.NewMachine());

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(run, Cancellation)).State);
    }

    [Fact]
    public void Entries_parse_back()
    {
        var id = RunId.Create(TimeProvider.System);
        Assert.True(ReadyEntry.TryParse($"ready/{new string('a', 32)}/0000000000123-{id}-0", out var ready));
        Assert.Equal((123, id, false), (ready.Sort, ready.RunId, ready.HasKey));
        Assert.True(LaterEntry.TryParse($"later/0000000000123-{id}-x", out var later));
        Assert.True(later.Expires);
        Assert.False(LaterEntry.TryParse($"later/0000000000123-{id}-y", out _));
    }

    private static RunSubmission Keyed(AgentPlan plan, ConflictRule? rule = null)
    {
        var ask = World.Ask(plan);
        return ask with { Request = ask.Request with { ConcurrencyKey = "repo", OnConflict = rule } };
    }

    /// <summary>From the first listing of waiting runs on, the first reads of two blobs wait for each other: one after the other they would wait for ever.</summary>
    private sealed class Together(string one, string other) : IPortFaults
    {
        private readonly TaskCompletionSource _one = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _other = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _begun;

        public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
        {
            _begun |= call.Name.StartsWith("ready/", StringComparison.Ordinal);
            if (_begun && call is { Method: nameof(IBlobStore.FindAsync) })
            {
                await (call.Name.Contains(one, StringComparison.Ordinal) ? MeetAsync(_one, _other) : call.Name.Contains(other, StringComparison.Ordinal) ? MeetAsync(_other, _one) : Task.CompletedTask);
            }

            return await make();
        }

        private static Task MeetAsync(TaskCompletionSource mine, TaskCompletionSource other)
        {
            mine.TrySetResult();
            return other.Task.WaitAsync(Cancellation);
        }
    }
}
