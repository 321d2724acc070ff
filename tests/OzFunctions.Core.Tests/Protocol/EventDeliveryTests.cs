using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Blobs;
using OzFunctions.Cancelling;
using OzFunctions.Core.Tests.Schedules;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>Completion events on foreign ground: each receiver by itself, again by its schedule, and known to people when it came to nothing.</summary>
public sealed class EventDeliveryTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_receiver_that_never_answers_delays_neither_another_nor_the_slots_of_the_host()
    {
        var slow = new Receiver(name: "slow") { Answer = () => new TaskCompletionSource().Task };
        var quick = new Receiver(name: "quick");
        await using var world = new World { Publishers = [slow, quick] };
        world.StartHost(world.NewProcess(), world.NewMachine(), slots: 1);
        var intake = world.NewProcess().Core.Intake;
        var runs = new List<RunId>();
        for (var i = 0; i < 10; i++)
        {
            runs.Add((await intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId);
        }

        foreach (var run in runs)
        {
            await world.UntilAsync(run, record => record.State == RunState.Succeeded, Cancellation);
        }

        await quick.TakenAsync(10, Cancellation);
        await slow.TriedAsync(4, Cancellation);

        Assert.Equal(10, world.Events.Count(sent => sent.Type == RunEvents.CompletedType));
        Assert.All(runs, run => Assert.Contains($"{run}:1:completed", quick.Taken));
        Assert.Empty(slow.Taken);
    }

    [Fact(Timeout = Limit)]
    public async Task A_delivery_is_repeated_by_the_schedule_for_a_day_then_it_is_logged_as_failed()
    {
        var hook = new Receiver { Answer = () => Task.FromException(new EventDeliveryException("Answered 500.") { Status = 500 }) };
        await using var world = new World { Publishers = [hook] };
        var process = world.NewProcess();
        world.StartHost(process, world.NewMachine());
        var run = await EndedAsync(world);
        TimeSpan[] schedule = [TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(5), TimeSpan.FromHours(10), TimeSpan.FromHours(6)];

        for (var tries = 1; tries <= schedule.Length; tries++)
        {
            await hook.TriedAsync(tries, Cancellation);
            var record = await world.UntilAsync(run, ended => ended.Outbox is [{ Tries: var made }] && made == tries, Cancellation);
            var wait = record.Outbox![0].NextAt!.Value - world.Clock.GetUtcNow();
            Assert.InRange(wait, schedule[tries - 1] - TimeSpan.FromSeconds(30), schedule[tries - 1]);
            world.Clock.Shift(wait);
        }

        await hook.TriedAsync(8, Cancellation);
        await world.UntilSettledAsync(run, Cancellation);

        var log = await process.Core.Deliveries.FindAsync(run, $"{run}:1:completed", Cancellation);
        var delivery = Assert.Single(log!.Publishers);
        Assert.Equal((EventDeliveryState.Failed, 8, 500, "Answered 500."), (delivery.State, delivery.Tries, delivery.Status, delivery.Message));
        Assert.Equal(8, hook.Tries.Count);
        Assert.Single(hook.Tries.Distinct());
    }

    [Fact(Timeout = Limit)]
    public async Task A_receiver_that_is_gone_gets_no_second_try()
    {
        var hook = new Receiver { Answer = () => Task.FromException(new EventDeliveryException("Answered 410.") { Status = 410, IsFinal = true }) };
        await using var world = new World { Publishers = [hook] };
        var process = world.NewProcess();
        world.StartHost(process, world.NewMachine());

        var run = await EndedAsync(world);
        await world.UntilSettledAsync(run, Cancellation);

        Assert.Single(hook.Tries);
        Assert.Equal(EventDeliveryState.Failed, (await process.Core.Deliveries.FindAsync(run, $"{run}:1:completed", Cancellation))!.Publishers[0].State);
    }

    [Fact(Timeout = Limit)]
    public async Task A_receiver_that_asks_for_time_gets_it()
    {
        var hook = new Receiver { Answer = () => Task.FromException(new EventDeliveryException("Answered 429.") { RetryAfter = TimeSpan.FromMinutes(20) }) };
        await using var world = new World { Publishers = [hook] };
        world.StartHost(world.NewProcess(), world.NewMachine());
        var run = await EndedAsync(world);

        var record = await world.UntilAsync(run, ended => ended.Outbox is [{ Tries: 1, NextAt: not null }], Cancellation);

        Assert.InRange(record.Outbox![0].NextAt!.Value - world.Clock.GetUtcNow(), TimeSpan.FromMinutes(19), TimeSpan.FromMinutes(20));
    }

    [Fact(Timeout = Limit)]
    public async Task Two_hosts_repeat_a_delivery_once()
    {
        // No second try is due before all first ones were made, however long that takes.
        var failing = true;
        var hook = new Receiver { Answer = () => failing ? Task.FromException(new EventDeliveryException("Answered 503.") { RetryAfter = TimeSpan.FromMinutes(20) }) : Task.CompletedTask };
        await using var world = new World { Publishers = [hook] };
        world.StartHost(world.NewProcess(), world.NewMachine("m1"));
        world.StartHost(world.NewProcess(), world.NewMachine("m2"));
        var runs = new List<RunId>();
        for (var i = 0; i < 8; i++)
        {
            runs.Add(await EndedAsync(world));
        }

        await hook.TriedAsync(8, Cancellation);
        foreach (var run in runs)
        {
            await world.UntilAsync(run, ended => ended.Outbox is [{ Tries: 1, NextAt: not null }], Cancellation);
        }

        failing = false;
        world.Clock.Shift(TimeSpan.FromMinutes(21));
        foreach (var run in runs)
        {
            await world.UntilSettledAsync(run, Cancellation);
        }

        Assert.Equal(16, hook.Tries.Count);
    }

    [Fact(Timeout = Limit)]
    public async Task A_first_delivery_that_takes_longer_than_a_minute_is_not_made_by_a_second_host_too()
    {
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var hook = new Receiver { Answer = () => answer.Task };
        await using var world = new World { Publishers = [hook] };
        world.StartHost(world.NewProcess(), world.NewMachine());
        var run = await EndedAsync(world);
        await hook.TriedAsync(1, Cancellation);
        var other = world.NewProcess().Core;
        other.Outbox.Start();
        await world.UntilAsync(async () => (await other.Hosts.ListAsync(Cancellation)).All(host => host.Heartbeat.Running.Count == 0), Cancellation);

        world.Clock.Shift(TimeSpan.FromSeconds(70));
        await other.Tick.TickAsync(Cancellation);
        await Task.WhenAny(other.Outbox.StopAsync(TimeSpan.FromMinutes(2)), hook.TriedAsync(2, Cancellation));

        Assert.Single(hook.Tries);
        answer.SetResult();
        await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal([$"{run}:1:completed"], hook.Taken);
    }

    [Fact(Timeout = Limit)]
    public async Task A_delivery_that_a_detached_host_leaves_is_made_by_the_next_one_within_a_minute()
    {
        var hook = new Receiver { Answer = () => new TaskCompletionSource().Task };
        await using var world = new World { Publishers = [hook] };
        var host = world.StartHost(world.NewProcess(), world.NewMachine());
        var run = await EndedAsync(world);
        await hook.TriedAsync(1, Cancellation);
        host.Detach();
        await world.RunningOf(host);
        hook.Answer = null;

        world.StartHost(world.NewProcess(), world.NewMachine("m2"));
        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal([$"{run}:1:completed"], hook.Taken);
    }

    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_delivery_that_a_killed_host_had_reserved_is_made_by_the_next_host_of_its_machine_at_once(bool sharedLocks)
    {
        var (silent, hook) = (new Receiver { Answer = () => new TaskCompletionSource().Task }, new Receiver());
        await using var world = new World { SharedLocks = sharedLocks };
        var (killed, machine) = (world.NewProcess(silent), world.NewMachine());
        world.StartHost(killed, machine);
        var run = await EndedAsync(world);
        await silent.TriedAsync(1, Cancellation);
        var reserved = Assert.Single((await world.FindAsync(run))!.Outbox!);
        killed.Kill();

        world.StartHost(world.NewProcess(hook), machine);
        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal([$"{run}:1:completed"], hook.Taken);
        Assert.True(world.Clock.GetUtcNow() < reserved.NextAt - TimeSpan.FromMinutes(5));
        Assert.Equal(silent.Tries, hook.Tries);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_delivery_that_a_living_host_has_reserved_is_left_to_it(bool sameMachine)
    {
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (slow, hook) = (new Receiver { Answer = () => answer.Task }, new Receiver());
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine();
        world.StartHost(world.NewProcess(slow), machine);
        var run = await EndedAsync(world);
        await slow.TriedAsync(1, Cancellation);
        var other = world.NewProcess(hook);
        world.StartHost(other, sameMachine ? machine : world.NewMachine("m2"));
        await world.UntilAsync(async () => (await other.Core.Hosts.ListAsync(Cancellation)) is { Count: 2 } hosts && hosts.All(host => host.Heartbeat.Running.Count == 0), Cancellation);

        await AssertLeftAloneAsync(world, other, hook, run, answer, slow);
    }

    /// <summary>Its lane goes on for as long as its process does, <c>ozf exec</c> or <c>ozf sync</c>.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_delivery_that_a_call_is_still_at_when_its_host_leaves_is_left_to_it()
    {
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (slow, hook) = (new Receiver { Answer = () => answer.Task }, new Receiver());
        await using var world = new World { SharedLocks = false };
        var clock = new ManualTimeProvider(world.Clock.GetUtcNow());
        var process = new SimulatedProcess(world, killAfter: null, publishers: [slow], time: clock);
        var backend = new SimulatedBackend(process, world.NewMachine());
        var host = process.Core.CreateUnmanaged(new() { WorkerId = "local", Machine = "m1", Version = "test", Lease = World.Lease }, backend, backend);
        var directory = backend.CreateDirectory(new() { Store = process.Core.Ports.StoreId, RunId = RunId.Create(clock), Attempt = 1 });
        var run = (await host.BeginAsync(World.Ask(), directory, Cancellation)).RunId;
        var running = host.RunAsync(Cancellation);
        await slow.TriedAsync(1, Cancellation);
        while (!running.IsCompleted)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(running, Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Cancellation));
        }

        Assert.Equal(RunState.Succeeded, (await running)!.State);
        Assert.NotNull(Assert.Single((await world.FindAsync(run))!.Outbox!).HostId);
        var other = world.NewProcess(hook);
        world.StartHost(other, world.NewMachine("m2"));
        await AssertLeftAloneAsync(world, other, hook, run, answer, slow);
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_reserves_under_its_id_only_while_others_find_it_alive()
    {
        var scene = new ScheduleScene();
        using var presence = new HostPresence(scene.Process.Ports with { HostLock = new NoHostLock() }, new() { WorkerId = "local", Machine = "m1", Version = "test", Lease = World.Lease }, NullLogger.Instance);
        Assert.Null(presence.NameForOthers);

        Assert.True(await presence.TryBeatAsync(Cancellation));
        Assert.Equal(presence.HostId, presence.NameForOthers);
        scene.Clock.Advance(World.Lease);
        Assert.Null(presence.NameForOthers);

        Assert.True(await presence.TryBeatAsync(Cancellation));
        Assert.Equal(presence.HostId, presence.NameForOthers);
        presence.GiveUpName();
        Assert.Null(presence.NameForOthers);
    }

    [Fact(Timeout = Limit)]
    public async Task A_delivery_reserved_by_a_host_without_a_heartbeat_is_made_by_the_next_tick()
    {
        var scene = new ScheduleScene();
        var (silent, hook) = (new Receiver { Answer = () => new TaskCompletionSource().Task }, new Receiver());
        var run = await CancelledAsync(scene, silent);
        var gone = scene.NewProcess(new CoreOptions(), scene.Clock, silent);
        gone.Outbox.Start(() => "h-gone");
        await gone.Tick.TickAsync(Cancellation);
        await silent.TriedAsync(1, Cancellation);
        Assert.Matches("\"outbox\":\\[{\"publisher\":\"hook\",\"tries\":0,\"next_at\":\"[^\"]*\",\"host_id\":\"h-gone\"}\\]", System.Text.Encoding.UTF8.GetString((await scene.Store.FindAsync(RunBlobs.Record(run), Cancellation))!.Content.Span));

        var next = scene.NewProcess(new CoreOptions(), scene.Clock, hook);
        next.Outbox.Start(() => "h-next");
        await next.Tick.TickAsync(Cancellation);
        await next.Outbox.StopAsync(TimeSpan.FromMinutes(1)).WaitAsync(Cancellation);

        Assert.Equal([$"{run}:0:completed"], hook.Taken);
        await gone.Outbox.StopAsync(TimeSpan.Zero);
    }

    [Fact(Timeout = Limit)]
    public async Task A_delivery_that_a_stopping_host_gives_back_is_made_within_a_minute_also_by_one_that_saw_it_reserved()
    {
        var scene = new ScheduleScene();
        var (slow, quick) = (new Receiver { Answer = () => new TaskCompletionSource().Task }, new Receiver());
        var run = await CancelledAsync(scene, slow);
        var first = scene.NewProcess(new CoreOptions(), scene.Clock, slow);
        var second = scene.NewProcess(new CoreOptions(), scene.Clock, quick);
        first.Outbox.Start();
        second.Outbox.Start();
        await first.Tick.TickAsync(Cancellation);
        await slow.TriedAsync(1, Cancellation);
        await second.Tick.TickAsync(Cancellation);

        await first.Outbox.StopAsync(TimeSpan.Zero);
        scene.Clock.Advance(TimeSpan.FromMinutes(1));
        await second.Tick.TickAsync(Cancellation);
        await second.Outbox.StopAsync(TimeSpan.FromMinutes(1)).WaitAsync(Cancellation);

        Assert.Equal([$"{run}:0:completed"], quick.Taken);
        Assert.DoesNotContain(RunBlobs.Active(run), scene.Store.Names);
    }

    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_owed_again_during_a_last_try_that_fails_is_not_forgotten(bool another)
    {
        var scene = new ScheduleScene();
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (gone, back, other) = (new Receiver { Answer = () => answer.Task }, new Receiver(), new Receiver(name: "other"));
        var run = await CancelledAsync(scene, another ? [gone, other] : [gone]);
        var first = scene.NewProcess(new CoreOptions(), scene.Clock, gone);
        first.Outbox.Start();
        await first.Tick.TickAsync(Cancellation);
        await gone.TriedAsync(1, Cancellation);

        await scene.Process.Outbox.OweAgainAsync(run, ["hook"], Cancellation);
        answer.SetException(new EventDeliveryException("Answered 410.") { IsFinal = true });
        await first.Outbox.StopAsync(TimeSpan.FromMinutes(1)).WaitAsync(Cancellation);

        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        var second = scene.NewProcess(new CoreOptions(), scene.Clock, back);
        second.Outbox.Start();
        await second.Tick.TickAsync(Cancellation);
        await second.Outbox.StopAsync(TimeSpan.FromMinutes(1)).WaitAsync(Cancellation);
        Assert.Equal([$"{run}:0:completed"], back.Taken);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_owed_again_is_not_forgotten_when_all_that_was_owed_before_is_settled_between_its_marker_and_its_record()
    {
        var scene = new ScheduleScene();
        var (gone, back) = (new Receiver { Answer = () => Task.FromException(new EventDeliveryException("Answered 410.") { IsFinal = true }) }, new Receiver());
        var run = await CancelledAsync(scene, gone);
        var first = scene.NewProcess(new CoreOptions(), scene.Clock, gone).Outbox;
        scene.Store.After = async (method, name) =>
        {
            if (method == "PutAsync" && name == RunBlobs.Active(run))
            {
                scene.Store.After = null;
                await first.TryDeliverAsync(run, "hook", Cancellation);
            }
        };

        await scene.Process.Outbox.OweAgainAsync(run, ["hook"], Cancellation);

        Assert.Single(gone.Tries);
        Assert.Contains(RunBlobs.Active(run), scene.Store.Names);
        await scene.NewProcess(new CoreOptions(), scene.Clock, back).Outbox.TryDeliverAsync(run, "hook", Cancellation);
        Assert.Equal([$"{run}:0:completed"], back.Taken);
        Assert.DoesNotContain(RunBlobs.Active(run), scene.Store.Names);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_owed_again_while_a_command_ends_the_run_is_not_forgotten()
    {
        var hook = new Receiver();
        await using var world = new World();
        var command = world.NewProcess().Core;
        var run = (await command.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var again = world.NewProcess(hook).Core.Outbox;
        OnceAfter(world, "TryReplaceAsync", "runs/", () => again.OweAgainAsync(run, ["hook"], Cancellation));

        await command.Cancels.CancelAsync(run, "ann", null, Cancellation);

        await AssertIsDeliveredAsync(world, run, hook);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_owed_again_while_a_receiver_is_sent_to_is_not_forgotten()
    {
        var (hook, other) = (new Receiver(), new Receiver(name: "other"));
        await using var world = new World();
        await world.NewProcess(hook).Core.Workers.SetPublishersAsync("local", ["hook"], Cancellation);
        var command = world.NewProcess().Core;
        var run = (await command.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await command.Cancels.CancelAsync(run, "ann", null, Cancellation);
        var again = world.NewProcess(other).Core.Outbox;
        var process = world.NewProcess(hook).Core;
        OnceAfter(world, "FindAsync", "runs/", () => again.OweAgainAsync(run, ["other"], Cancellation));

        await process.Outbox.TryDeliverAsync(run, "hook", Cancellation);

        await AssertIsDeliveredAsync(world, run, other);
        Assert.Equal([$"{run}:0:completed"], hook.Taken);
    }

    [Fact(Timeout = Limit)]
    public async Task Queued_and_started_go_to_the_publishers_of_the_runs_worker_and_the_queue_of_the_store()
    {
        var (hook, queue) = (new Receiver { Kinds = RunEventKinds.All }, new InMemoryEventPublisher("oz-events", TimeProvider.System));
        var scene = new ScheduleScene();
        var intake = scene.NewProcess(new CoreOptions { WorkerId = "web" }, scene.Clock, hook, queue).Intake;

        var theirs = (await intake.SubmitAsync(new() { Request = new() { Prompt = "p", WorkerId = "data" }, Trigger = new() { Kind = TriggerKind.Cli } }, Cancellation)).Run.RunId;
        Assert.Empty(hook.Tries);
        var ours = (await intake.SubmitAsync(new() { Request = new() { Prompt = "p", WorkerId = "web" }, Trigger = new() { Kind = TriggerKind.Cli } }, Cancellation)).Run.RunId;

        Assert.Equal([$"{ours}:0:queued"], hook.Taken);
        Assert.Equal([$"{theirs}:0:queued", $"{ours}:0:queued"], queue.Published.Select(sent => sent.Id));
    }

    [Fact(Timeout = Limit)]
    public async Task Two_hosts_that_reach_for_a_delivery_in_the_same_millisecond_send_it_once()
    {
        // A clock that stands still: what both write says the same time.
        var scene = new ScheduleScene();
        var hook = new Receiver();
        var run = (await scene.Process.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await scene.NewProcess(new CoreOptions(), scene.Clock, hook).Cancels.CancelAsync(run, "ann", null, Cancellation);
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        var (reached, both) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        scene.Store.Before = (method, _) =>
        {
            if (method == "TryReplaceAsync" && Interlocked.Increment(ref reached) == 2)
            {
                both.SetResult();
            }

            return method == "TryReplaceAsync" ? both.Task : Task.CompletedTask;
        };
        OzCore[] hosts = [scene.NewProcess(new CoreOptions(), scene.Clock, hook), scene.NewProcess(new CoreOptions(), scene.Clock, hook)];
        foreach (var host in hosts)
        {
            host.Outbox.Start();
            await host.Tick.TickAsync(Cancellation);
        }

        await both.Task.WaitAsync(Cancellation);
        await Task.WhenAll(hosts.Select(host => host.Outbox.StopAsync(TimeSpan.FromMinutes(1)))).WaitAsync(Cancellation);

        Assert.Single(hook.Tries);
        Assert.DoesNotContain(RunBlobs.Active(run), scene.Store.Names);
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_that_a_command_without_configuration_cancels_is_owed_to_the_publishers_of_its_worker()
    {
        var hook = new Receiver();
        await using var world = new World();
        world.StartHost(world.NewProcess(hook), world.NewMachine(), slots: 1);
        var plain = world.NewProcess().Core;
        var busy = (await plain.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(busy, run => run.State == RunState.InProgress, Cancellation);
        var waiting = (await plain.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;

        Assert.Equal(CancelResult.Cancelled, (await plain.Cancels.CancelAsync(waiting, "ann", null, Cancellation)).Result);
        Assert.Equal([new OutboxEntry("hook", 0)], (await world.FindAsync(waiting))!.Outbox!);
        Assert.Equal([$"{waiting}:0:completed"], world.CompletionIds(waiting));
        world.Clock.Shift(TimeSpan.FromMinutes(2));
        await world.UntilSettledAsync(waiting, Cancellation);

        Assert.Equal([$"{waiting}:0:completed"], hook.Taken);
        await plain.Cancels.CancelAsync(busy, "ann", null, Cancellation);
        await world.UntilSettledAsync(busy, Cancellation);
    }

    [Fact(Timeout = Limit)]
    public async Task A_publisher_of_the_same_name_of_another_worker_is_another_one()
    {
        var (web, data) = (new Receiver(), new Receiver());
        await using var world = new World();
        var plain = world.NewProcess(data).Core;
        var run = (await plain.Intake.SubmitAsync(new() { Request = new() { Prompt = "p", WorkerId = "data" }, Trigger = new() { Kind = TriggerKind.Cli } }, Cancellation)).Run.RunId;
        await plain.Cancels.CancelAsync(run, "ann", null, Cancellation);
        var other = world.NewProcess(web);
        world.StartHost(other, world.NewMachine("m1"), workerId: "web");
        await world.UntilAsync(async () => (await plain.Workers.GetPublishersAsync(Cancellation)).ContainsKey("web"), Cancellation);
        world.Clock.Shift(TimeSpan.FromMinutes(2));
        await other.Core.Tick.TickAsync(Cancellation);
        Assert.Equal([new OutboxEntry("hook", 0)], (await world.FindAsync(run))!.Outbox!);

        world.StartHost(world.NewProcess(data), world.NewMachine("m2"), workerId: "data");
        await world.UntilAsync(async () => (await plain.Workers.GetPublishersAsync(Cancellation)).ContainsKey("data"), Cancellation);
        world.Clock.Shift(TimeSpan.FromMinutes(2));
        await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal([$"{run}:0:completed"], data.Taken);
        Assert.Empty(web.Tries);
        Assert.Equal([$"{run}:0:completed"], world.CompletionIds(run));
    }

    [Fact]
    public void A_command_sends_for_the_worker_of_its_configuration_and_to_the_queue_of_the_store()
    {
        var (hook, queue) = (new Receiver(), new InMemoryEventPublisher("oz-events", TimeProvider.System));
        var scene = new ScheduleScene();
        var command = scene.NewProcess(new CoreOptions { WorkerId = "web" }, scene.Clock, hook, queue).Outbox;

        Assert.Same(hook, command.FindOwn("web", "hook"));
        Assert.Null(command.FindOwn("data", "hook"));
        Assert.Same(queue, command.FindOwn("data", "oz-events"));
        Assert.Same(hook, scene.NewProcess(new CoreOptions(), scene.Clock, hook).Outbox.FindOwn("data", "hook"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_publisher_that_nobody_has_any_more_keeps_the_marker_for_a_day_and_the_log_says_why()
    {
        var hook = new Receiver { Answer = () => Task.FromException(new EventDeliveryException("Answered 500.")) };
        await using var world = new World();
        var host = world.StartHost(world.NewProcess(hook), world.NewMachine());
        var run = await EndedAsync(world);
        await world.UntilAsync(run, ended => ended.Outbox is [{ Tries: 1 }], Cancellation);
        host.Drain();
        await world.RunningOf(host);
        var without = world.NewProcess();
        world.StartHost(without, world.NewMachine());

        world.Clock.Shift(TimeSpan.FromHours(20));
        await without.Core.Tick.TickAsync(Cancellation);
        Assert.Single(await world.NamesAsync("active/"));
        world.Clock.Shift(TimeSpan.FromHours(5));
        await world.UntilSettledAsync(run, Cancellation);

        var delivery = Assert.Single((await without.Core.Deliveries.FindAsync(run, $"{run}:1:completed", Cancellation))!.Publishers);
        Assert.Equal(EventDeliveryState.Failed, delivery.State);
        Assert.Contains("no host", delivery.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact(Timeout = Limit)]
    public async Task The_event_of_a_run_whose_worker_no_host_ever_served_is_sent_by_the_hosts_of_whoever_ended_it()
    {
        var scene = new ScheduleScene();
        var (hook, other) = (new Receiver(), new Receiver());
        var run = await CancelledAsync(scene, "lokal", scene.NewProcess(new CoreOptions { WorkerId = "local" }, scene.Clock, hook));
        Assert.Contains("\"outbox\":[{\"publisher\":\"hook\",\"tries\":0,\"worker_id\":\"local\"}]", System.Text.Encoding.UTF8.GetString((await scene.Store.FindAsync(RunBlobs.Record(run), Cancellation))!.Content.Span), StringComparison.Ordinal);

        await TickOnceAsync(scene, "web", other);
        Assert.Contains(RunBlobs.Active(run), scene.Store.Names);
        await TickOnceAsync(scene, "local", hook);

        Assert.Equal([$"{run}:0:completed"], hook.Taken);
        Assert.Empty(other.Tries);
        Assert.DoesNotContain(RunBlobs.Active(run), scene.Store.Names);
    }

    /// <summary>As a function app leaves it, which works for all workers and has no host of its own.</summary>
    [Fact(Timeout = Limit)]
    public async Task An_event_that_no_host_can_send_is_given_up_after_a_day_and_sent_when_a_person_asks()
    {
        var scene = new ScheduleScene();
        var hook = new Receiver();
        var run = await CancelledAsync(scene, "lokal", scene.NewProcess(new CoreOptions(), scene.Clock, new Receiver()));
        await TickOnceAsync(scene, "local", hook);
        Assert.Contains(RunBlobs.Active(run), scene.Store.Names);

        scene.Clock.Advance(TimeSpan.FromHours(24));
        await TickOnceAsync(scene, "local", hook);
        Assert.DoesNotContain(RunBlobs.Active(run), scene.Store.Names);
        var delivery = Assert.Single((await scene.Process.Deliveries.FindAsync(run, $"{run}:0:completed", Cancellation))!.Publishers);
        Assert.Equal((EventDeliveryState.Failed, "No host of worker 'lokal' has a publisher of this name."), (delivery.State, delivery.Message));

        await scene.NewProcess(new CoreOptions { WorkerId = "local" }, scene.Clock, new Receiver()).Outbox.OweAgainAsync(run, ["hook"], Cancellation);
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        await TickOnceAsync(scene, "local", hook);
        Assert.Equal([$"{run}:0:completed"], hook.Taken);
        Assert.Equal(Retention.RemovalResult.Removed, (await scene.Process.Removal.RemoveAsync(run, Cancellation)).Result);
    }

    [Fact(Timeout = Limit)]
    public async Task An_entry_of_the_delivery_log_that_is_refused_makes_no_event_go_out_again()
    {
        var (scene, lines, hook) = (new ScheduleScene(), new LogLines(), new Receiver());
        var run = await CancelledAsync(scene, hook);
        RefuseDeliveryLog(scene);
        var host = scene.NewProcess(new CoreOptions(), lines, hook);
        host.Outbox.Start();

        await host.Tick.TickAsync(Cancellation);
        await host.Outbox.StopAsync(TimeSpan.FromMinutes(1)).WaitAsync(Cancellation);

        Assert.Equal([$"{run}:0:completed"], hook.Taken);
        Assert.DoesNotContain(RunBlobs.Active(run), scene.Store.Names);
        Assert.Single(lines.Written, line => line.StartsWith($"Warning: What became of the event of run {run} at hook (Delivered) could not be written into the delivery log", StringComparison.Ordinal));
    }

    [Fact(Timeout = Limit)]
    public async Task An_entry_of_the_delivery_log_that_is_refused_keeps_no_event_owed_that_no_host_can_send()
    {
        var scene = new ScheduleScene();
        var run = await CancelledAsync(scene, "lokal", scene.NewProcess(new CoreOptions(), scene.Clock, new Receiver()));
        RefuseDeliveryLog(scene);

        scene.Clock.Advance(TimeSpan.FromHours(24));
        await TickOnceAsync(scene, "local", new Receiver());

        Assert.DoesNotContain(RunBlobs.Active(run), scene.Store.Names);
    }

    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_worker_whose_hosts_are_gone_is_waited_for_a_week_and_one_that_has_a_host_for_as_long_as_it_takes(bool isThere)
    {
        var scene = new ScheduleScene();
        var other = new Receiver();
        await scene.Process.Workers.SetPublishersAsync("old", ["hook"], Cancellation);
        var run = await CancelledAsync(scene, "old", scene.Process);
        using var presence = new HostPresence(scene.Process.Ports with { HostLock = new NoHostLock() }, new() { WorkerId = "old", Machine = "m1", Version = "test", Lease = World.Lease }, NullLogger.Instance);
        scene.Clock.Advance(TimeSpan.FromDays(3));
        await TickOnceAsync(scene, "local", other);
        Assert.Contains(RunBlobs.Active(run), scene.Store.Names);

        scene.Clock.Advance(TimeSpan.FromDays(4));
        Assert.True(!isThere || await presence.TryBeatAsync(Cancellation));
        await TickOnceAsync(scene, "local", other);

        Assert.Empty(other.Tries);
        Assert.Equal(isThere, scene.Store.Names.Contains(RunBlobs.Active(run)));
        var deliveries = await scene.Process.Deliveries.FindAsync(run, $"{run}:0:completed", Cancellation);
        Assert.Equal(isThere ? null : "Worker 'old', whose hosts have this publisher, has no host any more.", deliveries?.Publishers[0].Message);
    }

    [Fact(Timeout = Limit)]
    public async Task What_a_receiver_took_just_when_its_host_stopped_is_not_sent_again()
    {
        var scene = new ScheduleScene();
        var (hook, again) = (new Receiver(), new Receiver());
        var run = await CancelledAsync(scene, hook);
        var host = scene.NewProcess(new CoreOptions(), scene.Clock, hook);
        var stopping = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        scene.Store.Before = async (method, name) =>
        {
            if (method == "FindAsync" && name.StartsWith("deliveries/out/", StringComparison.Ordinal))
            {
                scene.Store.Before = null;
                stopping.SetResult(host.Outbox.StopAsync(TimeSpan.Zero));
                await hook.Stop.FiredAsync(Cancellation);
            }
        };
        host.Outbox.Start();
        await host.Tick.TickAsync(Cancellation);
        await (await stopping.Task.WaitAsync(Cancellation)).WaitAsync(Cancellation);

        scene.Clock.Advance(TimeSpan.FromMinutes(15));
        await TickOnceAsync(scene, "local", again);

        Assert.Equal([$"{run}:0:completed"], hook.Taken);
        Assert.Empty(again.Tries);
        Assert.DoesNotContain(RunBlobs.Active(run), scene.Store.Names);
        Assert.Equal(EventDeliveryState.Delivered, Assert.Single((await scene.Process.Deliveries.FindAsync(run, $"{run}:0:completed", Cancellation))!.Publishers).State);
    }

    [Fact(Timeout = Limit)]
    public async Task A_failed_delivery_that_is_owed_again_is_sent_by_a_host()
    {
        var hook = new Receiver { Answer = () => Task.FromException(new EventDeliveryException("Answered 410.") { IsFinal = true }) };
        await using var world = new World { Publishers = [hook] };
        var process = world.NewProcess();
        world.StartHost(process, world.NewMachine());
        var run = await EndedAsync(world);
        await world.UntilSettledAsync(run, Cancellation);
        hook.Answer = null;

        Assert.NotNull(await world.NewProcess().Core.Outbox.OweAgainAsync(run, ["hook"], Cancellation));
        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal([$"{run}:1:completed"], hook.Taken);
        Assert.Equal(EventDeliveryState.Delivered, (await process.Core.Deliveries.FindAsync(run, $"{run}:1:completed", Cancellation))!.Publishers[0].State);
        Assert.Single(world.CompletionIds(run));
    }

    [Fact(Timeout = Limit)]
    public async Task Owing_an_event_to_one_again_takes_nothing_from_another_that_is_still_owed_it()
    {
        var (hook, other) = (new Receiver(), new Receiver(name: "other"));
        await using var world = new World { Publishers = [hook, other] };
        var command = world.NewProcess().Core;
        var run = (await command.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await command.Cancels.CancelAsync(run, "ann", null, Cancellation);

        await command.Outbox.OweAgainAsync(run, ["oz-events"], Cancellation);
        Assert.Equal(["hook", "other", "oz-events"], (await world.FindAsync(run))!.Outbox!.Select(entry => entry.Publisher).Order());
        world.StartHost(world.NewMachine());
        world.Clock.Shift(TimeSpan.FromMinutes(2));
        await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal([$"{run}:0:completed"], hook.Taken);
        Assert.Equal([$"{run}:0:completed"], other.Taken);
    }

    [Fact(Timeout = Limit)]
    public async Task Any_number_of_retries_that_are_hours_away_leave_a_receiver_room_for_what_is_due()
    {
        var scene = new ScheduleScene();
        var hook = new Receiver();
        await OweLaterAsync(scene, TimeSpan.FromHours(2), 10_001);
        var process = scene.NewProcess(new CoreOptions(), scene.Clock, hook);
        process.Outbox.Start();
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        await process.Tick.TickAsync(Cancellation);

        var due = await CancelledAsync(scene, hook);
        await process.Tick.TickAsync(Cancellation);
        await process.Outbox.StopAsync(TimeSpan.FromMinutes(1)).WaitAsync(Cancellation);

        Assert.Equal([$"{due}:0:completed"], hook.Taken);
    }

    [Fact(Timeout = Limit)]
    public async Task A_retry_that_was_hours_away_comes_in_its_time()
    {
        var scene = new ScheduleScene();
        var hook = new Receiver();
        await OweLaterAsync(scene, TimeSpan.FromHours(2), 1);
        var process = scene.NewProcess(new CoreOptions(), scene.Clock, hook);
        process.Outbox.Start();
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        await process.Tick.TickAsync(Cancellation);

        // Looked at once and remembered until then.
        scene.Clock.Advance(TimeSpan.FromMinutes(118));
        await process.Tick.TickAsync(Cancellation);
        await process.Outbox.StopAsync(TimeSpan.FromMinutes(1)).WaitAsync(Cancellation);

        Assert.Single(hook.Taken);
    }

    [Theory(Timeout = Limit)]
    [InlineData("hook")]
    [InlineData("other")]
    public async Task Two_who_owe_an_event_again_at_once_take_nothing_from_each_other(string first)
    {
        var (hook, other) = (new Receiver(), new Receiver(name: "other"));
        var scene = new ScheduleScene();
        var run = await CancelledAsync(scene, hook);
        var process = scene.NewProcess(new CoreOptions(), scene.Clock, hook, other).Outbox;
        await process.TryDeliverAsync(run, "hook", Cancellation);
        Assert.DoesNotContain(RunBlobs.Active(run), scene.Store.Names);

        // The second looks whether anything is owed, and the first is there before it writes. What was sent last still stands in the record.
        scene.Store.After = async (method, name) =>
        {
            if (method == "FindEntryAsync" && name == RunBlobs.Active(run))
            {
                scene.Store.After = null;
                await process.OweAgainAsync(run, [first], Cancellation);
            }
        };
        await scene.Process.Outbox.OweAgainAsync(run, [first == "hook" ? "other" : "hook"], Cancellation);

        Assert.Equal(["hook", "other"], (await scene.Process.Records.FindAsync(run, Cancellation))!.Record.Outbox!.Select(entry => entry.Publisher).Order());
        Assert.Contains(RunBlobs.Active(run), scene.Store.Names);
    }

    [Fact(Timeout = Limit)]
    public async Task Owing_the_event_of_a_run_again_that_is_gone_or_has_not_ended_leaves_nothing()
    {
        var scene = new ScheduleScene();
        var gone = await CancelledAsync(scene);
        await scene.Process.Tick.TickAsync(Cancellation);
        scene.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(Retention.RemovalResult.Removed, (await scene.Process.Removal.RemoveAsync(gone, Cancellation)).Result);
        Assert.Null(await scene.Process.Outbox.OweAgainAsync(gone, ["hook"], Cancellation));
        Assert.DoesNotContain(RunBlobs.Active(gone), scene.Store.Names);

        var waiting = (await scene.Process.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var marker = (await scene.Store.FindEntryAsync(RunBlobs.Active(waiting), Cancellation))!.ETag;
        Assert.Null(await scene.Process.Outbox.OweAgainAsync(waiting, ["hook"], Cancellation));
        Assert.Equal(marker, (await scene.Store.FindEntryAsync(RunBlobs.Active(waiting), Cancellation))!.ETag);
    }

    [Fact(Timeout = Limit)]
    public async Task Each_publisher_gets_the_kinds_it_asked_for()
    {
        var all = new Receiver(name: "all") { Kinds = RunEventKinds.All };
        var starts = new Receiver(name: "starts") { Kinds = [RunEventKind.Started] };
        await using var world = new World { Publishers = [all, starts] };
        world.StartHost(world.NewProcess(), world.NewMachine());
        var run = await EndedAsync(world);
        await all.TakenAsync(3, Cancellation);
        await starts.TakenAsync(1, Cancellation);
        await world.UntilSettledAsync(run, Cancellation);

        Assert.Equal([$"{run}:0:queued", $"{run}:1:completed", $"{run}:1:started"], all.Taken.Order());
        Assert.Equal([$"{run}:1:started"], starts.Taken);
        Assert.DoesNotContain((await world.FindAsync(run))!.Outbox!, entry => entry.Publisher == "starts");
    }

    [Fact(Timeout = Limit)]
    public async Task An_old_entry_of_the_delivery_log_goes_after_a_month()
    {
        var hook = new Receiver();
        await using var world = new World { Publishers = [hook] };
        var process = world.NewProcess();
        world.StartHost(process, world.NewMachine());
        await world.UntilSettledAsync(await EndedAsync(world), Cancellation);
        Assert.Equal(0, await process.Core.Deliveries.SweepAsync(Cancellation));

        world.Clock.Shift(TimeSpan.FromDays(31));

        await world.UntilAsync(async () => (await world.NamesAsync("deliveries/")).Count == 0, Cancellation);
    }

    private static void OnceAfter(World world, string method, string prefix, Func<Task> action)
    {
        world.Store.After = async (called, name) =>
        {
            if (called == method && name.StartsWith(prefix, StringComparison.Ordinal))
            {
                world.Store.After = null;
                await action();
            }
        };
    }

    /// <summary>A run that is over, whose event is owed to these and due by a tick.</summary>
    private static async Task<RunId> CancelledAsync(ScheduleScene scene, params Receiver[] owed)
    {
        var run = (await scene.Process.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await scene.NewProcess(new CoreOptions(), scene.Clock, owed).Cancels.CancelAsync(run, "ann", null, Cancellation);
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        return run;
    }

    /// <summary>A run of this worker that <paramref name="by"/> cancelled, its event due by a tick.</summary>
    private static async Task<RunId> CancelledAsync(ScheduleScene scene, string workerId, OzCore by)
    {
        var run = (await scene.Process.Intake.SubmitAsync(new() { Request = new() { Prompt = "p", WorkerId = workerId }, Trigger = new() { Kind = TriggerKind.Cli } }, Cancellation)).Run.RunId;
        await by.Cancels.CancelAsync(run, "ann", null, Cancellation);
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        return run;
    }

    /// <summary>As where somebody put a lease or a hold on its entries: they can be read.</summary>
    private static void RefuseDeliveryLog(ScheduleScene scene) =>
        scene.Store.Before = (method, name) => method is "TryCreateAsync" or "TryReplaceAsync" && name.StartsWith(EventDeliveryLog.Prefix, StringComparison.Ordinal)
            ? throw new BlobStoreException("412 LeaseIdMissing", isTransient: false, null)
            : Task.CompletedTask;

    /// <summary>A process with the configuration of this worker comes, looks once, sends what it may, and goes.</summary>
    private static async Task TickOnceAsync(ScheduleScene scene, string workerId, Receiver receiver)
    {
        var host = scene.NewProcess(new CoreOptions { WorkerId = workerId }, scene.Clock, receiver);
        host.Outbox.Start();
        await host.Tick.TickAsync(Cancellation);
        await host.Outbox.StopAsync(TimeSpan.FromMinutes(1)).WaitAsync(Cancellation);
    }

    /// <summary>So many ended runs whose event the receiver 'hook' refused so often that its next try is so far away.</summary>
    private static async Task OweLaterAsync(ScheduleScene scene, TimeSpan away, int count)
    {
        var seed = await CancelledAsync(scene, new Receiver());
        await scene.NewProcess(new CoreOptions(), scene.Clock, new Receiver()).Outbox.TryDeliverAsync(seed, "hook", Cancellation);
        var ended = (await scene.Process.Records.FindAsync(seed, Cancellation))!.Record;
        for (var i = 0; i < count; i++)
        {
            var late = ended with { RunId = RunId.Create(scene.Clock), Outbox = [new("hook", 5, scene.Clock.GetUtcNow() + away)] };
            await scene.Store.PutAsync(RunBlobs.Record(late.RunId), JsonSerializer.SerializeToUtf8Bytes(late, RunJson.Wire.RunRecord), Cancellation);
            await scene.Store.PutAsync(RunBlobs.Active(late.RunId), default, Cancellation);
        }
    }

    private static async Task AssertIsDeliveredAsync(World world, RunId run, Receiver receiver)
    {
        Assert.Equal([RunBlobs.Active(run)], await world.NamesAsync("active/"));
        world.StartHost(world.NewProcess(receiver), world.NewMachine());
        world.Clock.Shift(TimeSpan.FromMinutes(2));
        await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal([$"{run}:0:completed"], receiver.Taken);
    }

    /// <summary>A process that could take the delivery over has looked, and leaves it to the one that is at it.</summary>
    private static async Task AssertLeftAloneAsync(World world, SimulatedProcess other, Receiver hook, RunId run, TaskCompletionSource answer, Receiver slow)
    {
        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await other.Core.Tick.TickAsync(Cancellation);
        await other.Core.Outbox.DrainAsync(TimeSpan.FromMinutes(1), Cancellation);

        Assert.Empty(hook.Tries);
        answer.SetResult();
        await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal([$"{run}:1:completed"], slow.Taken);
        Assert.Empty(hook.Tries);
    }

    private static async Task<RunId> EndedAsync(World world)
    {
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State.IsTerminal(), Cancellation);
        return run;
    }
}
