using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Cancelling;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Intake;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>Too much comes in, or everything must stop.</summary>
public sealed class FloodTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task Everything_is_cancelled_what_waits_and_what_runs_each_once()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var running = await SubmitAsync(core, 10, AgentPlan.UntilStopped);
        world.StartHost(world.NewMachine(), slots: 10);
        foreach (var run in running)
        {
            await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);
        }

        var waiting = await SubmitAsync(core, 30, AgentPlan.UntilStopped);

        var answers = await core.Cancels.CancelAllAsync(null, "ann", "stop", null, Cancellation);

        Assert.Equal(running.Concat(waiting).Order(Comparer<RunId>.Create(Compare)), answers.Select(answer => answer.Run!.RunId).Order(Comparer<RunId>.Create(Compare)));
        Assert.Equal(30, answers.Count(answer => answer.Result == CancelResult.Cancelled));
        Assert.Equal(10, answers.Count(answer => answer.Result == CancelResult.Requested));
        foreach (var run in running)
        {
            Assert.Equal(RunState.Cancelled, (await world.UntilSettledAsync(run, Cancellation)).State);
        }

        Assert.Empty(await core.Cancels.CancelAllAsync(null, "ann", null, null, Cancellation));
    }

    [Fact(Timeout = Limit)]
    public async Task Cancelling_everything_reads_what_is_open_not_what_is_remembered()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        await SubmitAsync(core, 50, AgentPlan.Succeeds);
        await core.Cancels.CancelAllAsync(null, "ann", null, null, Cancellation);
        var open = await SubmitAsync(core, 2, AgentPlan.Succeeds);
        var touched = new ConcurrentDictionary<string, bool>();
        world.Store.Before = (_, name) =>
        {
            touched[name] = true;
            return Task.CompletedTask;
        };

        Assert.Equal(2, (await core.Cancels.CancelAllAsync(null, "ann", null, null, Cancellation)).Count);

        Assert.Equal(open.Select(RunBlobs.Record).Order(), touched.Keys.Where(name => name.StartsWith("runs/", StringComparison.Ordinal)).Order());
    }

    [Fact(Timeout = Limit)]
    public async Task Cancelling_everything_of_one_worker_leaves_the_others()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var mine = (await core.Intake.SubmitAsync(ForWorker("blue"), Cancellation)).Run.RunId;
        var other = (await core.Intake.SubmitAsync(ForWorker("red"), Cancellation)).Run.RunId;

        var answers = await core.Cancels.CancelAllAsync("blue", "ann", null, null, Cancellation);

        Assert.Equal(mine, Assert.Single(answers).Run!.RunId);
        Assert.Equal(RunState.Queued, (await world.FindAsync(other))!.State);
    }

    [Fact(Timeout = Limit)]
    public async Task A_record_that_nobody_can_read_does_not_keep_the_others_from_being_cancelled()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var runs = await SubmitAsync(core, 2, AgentPlan.Succeeds);
        await world.Blobs.PutAsync(RunBlobs.Record(runs[0]), "nonsense"u8.ToArray(), Cancellation);
        var broken = new List<UnreadableRecordException>();

        var answers = await core.Cancels.CancelAllAsync(null, "ann", null, broken.Add, Cancellation);

        Assert.Equal(runs[1], Assert.Single(answers).Run!.RunId);
        Assert.Equal(runs[0], Assert.Single(broken).RunId);
    }

    [Fact(Timeout = Limit)]
    public async Task Of_many_at_once_exactly_as_many_as_may_wait_are_taken_in()
    {
        await using var world = new World();
        var core = Limited(world, most: 7);

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => TrySubmitAsync(core, World.Ask()))));

        Assert.Equal(7, answers.Count(taken => taken));
        Assert.Equal(7, (await world.NamesAsync("ready/")).Count);
    }

    [Fact(Timeout = Limit)]
    public async Task The_limit_costs_one_listing_a_second_and_room_made_meanwhile_is_seen_when_it_is_full()
    {
        await using var world = new World();
        var clock = new ManualTimeProvider();
        var core = Limited(world, most: 20, clock);
        var listings = 0;
        world.Store.Before = (call, name) =>
        {
            if (call == "ListAsync" && name.StartsWith("ready/", StringComparison.Ordinal))
            {
                Interlocked.Increment(ref listings);
            }

            return Task.CompletedTask;
        };
        for (var i = 0; i < 20; i++)
        {
            Assert.True(await TrySubmitAsync(core, World.Ask()));
        }

        Assert.Equal(1, listings);
        Assert.False(await TrySubmitAsync(core, World.Ask()));
        await world.Blobs.TryDeleteAsync((await world.NamesAsync("ready/"))[0], null, Cancellation);
        clock.Advance(TimeSpan.FromSeconds(2));

        Assert.True(await TrySubmitAsync(core, World.Ask()));
        Assert.False(await TrySubmitAsync(core, World.Ask()));
    }

    [Fact(Timeout = Limit)]
    public async Task A_webhook_has_its_own_limit_which_also_a_new_process_knows()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        Assert.True(await TrySubmitAsync(core, FromWebhook("noisy", most: 2)));
        Assert.True(await TrySubmitAsync(core, FromWebhook("noisy", most: 2)));
        Assert.False(await TrySubmitAsync(core, FromWebhook("noisy", most: 2)));
        var restarted = world.NewProcess().Core;

        var refused = await Assert.ThrowsAsync<QueueFullException>(() => restarted.Intake.SubmitAsync(FromWebhook("noisy", most: 2), Cancellation));

        Assert.Contains("webhook 'noisy'", refused.Message, StringComparison.Ordinal);
        Assert.True(refused.RetryAfter > TimeSpan.Zero);
        Assert.True(await TrySubmitAsync(restarted, FromWebhook("quiet", most: 2)));
        Assert.True(await TrySubmitAsync(restarted, World.Ask()));
    }

    [Fact(Timeout = Limit)]
    public async Task A_count_in_a_slow_store_holds_nobody_up_who_gives_a_place_back()
    {
        await using var world = new World();
        var core = Limited(world, most: 100);
        var (listing, mayList) = (new TaskCompletionSource(), new TaskCompletionSource());
        Assert.True(await TrySubmitAsync(core, World.Ask()));
        world.Clock.Shift(TimeSpan.FromSeconds(2));
        var (creating, mayCreate) = (new TaskCompletionSource(), new TaskCompletionSource());
        var first = true;
        world.Store.Before = async (call, name) =>
        {
            if (call == "TryCreateAsync" && name.StartsWith("runs/", StringComparison.Ordinal) && first)
            {
                first = false;
                creating.SetResult();
                await mayCreate.Task;
            }
        };
        var slow = Task.Run(() => TrySubmitAsync(core, World.Ask()));
        await creating.Task;
        world.Clock.Shift(TimeSpan.FromSeconds(2));
        world.Store.Before = async (call, name) =>
        {
            if (call == "ListAsync" && name.StartsWith("ready/", StringComparison.Ordinal) && listing.TrySetResult())
            {
                await mayList.Task;
            }
        };
        var counting = Task.Run(() => TrySubmitAsync(core, World.Ask()));
        await listing.Task;

        mayCreate.SetResult();
        Assert.True(await slow);

        mayList.SetResult();
        Assert.True(await counting);
        Assert.Equal(3, (await world.NamesAsync("ready/")).Count);
    }

    [Fact(Timeout = Limit)]
    public async Task A_count_that_takes_longer_than_it_is_good_for_is_good_for_who_waited_for_it()
    {
        await using var world = new World();
        var core = Limited(world, most: 2);
        var listings = 0;
        world.Store.Before = (call, name) =>
        {
            if (call == "ListAsync" && name.StartsWith("ready/", StringComparison.Ordinal))
            {
                Assert.True(++listings < 20, "it is counted again and again");
                world.Clock.Shift(TimeSpan.FromSeconds(1.2));
            }

            return Task.CompletedTask;
        };

        Assert.True(await TrySubmitAsync(core, World.Ask()));
        Assert.True(await TrySubmitAsync(core, World.Ask()));
        Assert.False(await TrySubmitAsync(core, World.Ask()));
        Assert.Equal(3, listings);
    }

    [Fact(Timeout = Limit)]
    public async Task A_new_process_reads_the_records_of_what_waits_several_at_a_time()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        for (var i = 0; i < 8; i++)
        {
            Assert.True(await TrySubmitAsync(core, FromWebhook("noisy", most: 20)));
        }

        var restarted = world.NewProcess().Core;
        var (reading, together) = (0, new TaskCompletionSource());
        world.Store.Before = async (call, name) =>
        {
            if (call == "FindAsync" && name.StartsWith("runs/", StringComparison.Ordinal))
            {
                if (Interlocked.Increment(ref reading) == 8)
                {
                    together.SetResult();
                }

                await together.Task.WaitAsync(Cancellation);
            }
        };

        Assert.False(await TrySubmitAsync(restarted, FromWebhook("noisy", most: 8)));
    }

    [Fact(Timeout = Limit)]
    public async Task Runs_for_a_time_ahead_wait_too_also_for_a_process_that_did_not_take_them_in()
    {
        await using var world = new World();
        var core = Limited(world, most: 3);
        var soon = world.Clock.GetUtcNow() + TimeSpan.FromHours(1);
        RunSubmission Later(string worker) => ForWorker(worker) with { Request = ForWorker(worker).Request with { NotBefore = soon } };
        Assert.True(await TrySubmitAsync(core, Later("blue")));
        Assert.True(await TrySubmitAsync(core, Later("blue")));
        world.Clock.Shift(TimeSpan.FromSeconds(2));
        Assert.True(await TrySubmitAsync(core, Later("blue")));
        Assert.True(await TrySubmitAsync(core, Later("red")));

        foreach (var process in (OzCore[])[core, Limited(world, most: 3)])
        {
            world.Clock.Shift(TimeSpan.FromSeconds(2));
            Assert.False(await TrySubmitAsync(process, Later("blue")));
            Assert.False(await TrySubmitAsync(process, ForWorker("blue")));
            Assert.True(await TrySubmitAsync(process, ForWorker("red")));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task What_a_run_for_a_time_ahead_is_of_is_read_once_a_process_and_not_while_the_limit_is_far()
    {
        await using var world = new World();
        var later = ForWorker("red");
        Assert.True(await TrySubmitAsync(world.NewProcess().Core, later with { Request = later.Request with { NotBefore = world.Clock.GetUtcNow() + TimeSpan.FromHours(1) } }));
        var core = Limited(world, most: 4);
        var reads = 0;
        world.Store.Before = (call, name) =>
        {
            reads += call == "FindAsync" && name.StartsWith("runs/", StringComparison.Ordinal) ? 1 : 0;
            return Task.CompletedTask;
        };

        for (var i = 0; i < 3; i++)
        {
            Assert.True(await TrySubmitAsync(core, i == 0 ? FromWebhook("quiet", most: 2) : World.Ask()));
            world.Clock.Shift(TimeSpan.FromSeconds(2));
        }

        Assert.Equal(0, reads);
        Assert.True(await TrySubmitAsync(core, World.Ask()));
        world.Clock.Shift(TimeSpan.FromSeconds(2));
        Assert.False(await TrySubmitAsync(core, World.Ask()));
        Assert.Equal(1, reads);
    }

    [Fact(Timeout = Limit)]
    public async Task A_submission_that_failed_gives_its_place_back()
    {
        await using var world = new World();
        var core = Limited(world, most: 1);
        world.BreakStore(1);
        await Assert.ThrowsAsync<Blobs.BlobStoreException>(() => core.Intake.SubmitAsync(World.Ask(), Cancellation));

        Assert.True(await TrySubmitAsync(core, World.Ask()));
    }

    private static OzCore Limited(World world, int most, TimeProvider? time = null) =>
        new(world.NewProcess().Core.Ports with { Time = time ?? world.Clock }, new() { Intake = new() { MaxQueued = most } }, NullLoggerFactory.Instance);

    private static int Compare(RunId one, RunId other) => string.CompareOrdinal(one.Value, other.Value);

    private static RunSubmission ForWorker(string worker)
    {
        var ask = World.Ask();
        return ask with { Request = ask.Request with { WorkerId = worker } };
    }

    private static RunSubmission FromWebhook(string name, int most) => World.Ask() with { Trigger = new() { Kind = TriggerKind.Webhook, Name = name }, MaxQueued = most };

    private static async Task<List<RunId>> SubmitAsync(OzCore core, int count, AgentPlan plan)
    {
        var runs = new List<RunId>();
        for (var i = 0; i < count; i++)
        {
            runs.Add((await core.Intake.SubmitAsync(World.Ask(plan), Cancellation)).Run.RunId);
        }

        return runs;
    }

    private static async Task<bool> TrySubmitAsync(OzCore core, RunSubmission submission)
    {
        try
        {
            return (await core.Intake.SubmitAsync(submission, Cancellation)).Created;
        }
        catch (QueueFullException)
        {
            return false;
        }
    }
}
