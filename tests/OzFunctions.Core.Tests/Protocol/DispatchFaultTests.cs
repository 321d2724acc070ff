using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Blobs;
using OzFunctions.Cancelling;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Hosts;
using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>Records that are nonsense, queues that are full, answers that cross: what must not harm others.</summary>
public sealed class DispatchFaultTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_message_that_waits_for_room_is_taken_in_however_often_it_was_given_back()
    {
        await using var world = new World();
        var core = Limited(world, most: 1);
        var first = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var queue = new InMemoryRequestQueue("oz-requests", world.Clock);
        await queue.SendAsync("{\"prompt\":\"p\"}"u8.ToArray(), Cancellation);
        var consumer = core.CreateConsumer(queue);
        for (var delivery = 0; delivery < 600; delivery++)
        {
            await DeliverAsync();
        }

        await core.Cancels.CancelAsync(first, "ann", null, Cancellation);
        await DeliverAsync();

        Assert.Equal(0, queue.Count);
        Assert.Empty(await world.NamesAsync("dead-letters/"));
        Assert.Equal(2, (await world.NamesAsync("runs/")).Count);

        // Where the look at it took its time the message is longer away.
        async Task DeliverAsync()
        {
            do
            {
                world.Clock.Shift(TimeSpan.FromSeconds(6));
            }
            while (!await consumer.ConsumeOneAsync(TimeSpan.Zero, Cancellation));
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_message_that_breaks_intake_becomes_a_dead_letter_after_five_deliveries()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var queue = new InMemoryRequestQueue("oz-requests", world.Clock);
        var id = await queue.SendAsync("{\"prompt\":\"p\"}"u8.ToArray(), Cancellation);
        await world.Blobs.PutAsync($"keys/{RunBlobs.Hash(IntakeKeys.Queue("oz-requests", id))}.json", "nonsense"u8.ToArray(), Cancellation);
        var consumer = core.CreateConsumer(queue);
        for (var delivery = 1; delivery <= 5; delivery++)
        {
            Assert.Empty(await world.NamesAsync("dead-letters/"));
            Assert.True(await consumer.ConsumeOneAsync(TimeSpan.Zero, Cancellation));
            world.Clock.Shift(TimeSpan.FromSeconds(6));
        }

        Assert.Equal(0, queue.Count);
        var letter = await core.DeadLetters.ListAsync(Cancellation).SingleAsync(Cancellation);
        Assert.Equal(("delivered_too_often", id), (letter.Reason, letter.MessageId));
    }

    [Fact(Timeout = Limit)]
    public async Task A_repeat_is_answered_with_its_run_also_when_the_queue_is_full()
    {
        await using var world = new World();
        var core = Limited(world, most: 1);
        var first = await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation);

        var second = await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation);

        Assert.Equal((first.Run.RunId, false), (second.Run.RunId, second.Created));
        await Assert.ThrowsAsync<QueueFullException>(() => core.Intake.SubmitAsync(World.Ask(key: "other"), Cancellation));
        Assert.Single(await world.NamesAsync("keys/"));
    }

    [Fact(Timeout = Limit)]
    public async Task Of_two_submitters_of_one_key_that_write_in_the_same_millisecond_one_made_the_run()
    {
        await using var world = new World();
        var time = new ManualTimeProvider();
        var ports = world.NewProcess().Core.Ports with { Time = time };
        IntakeAnswer? other = null;
        var core = new OzCore(ports, new(), NullLoggerFactory.Instance);
        world.Store.After = async (method, name) =>
        {
            if (other is null && method == nameof(IBlobStore.TryCreateAsync) && name.StartsWith("keys/", StringComparison.Ordinal))
            {
                world.Store.After = null;
                other = await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation);
            }
        };

        var answer = await core.Intake.SubmitAsync(World.Ask(key: "k"), Cancellation);

        Assert.Equal(answer.Run.RunId, other!.Run.RunId);
        Assert.True(other.Created);
        Assert.False(answer.Created);
    }

    [Fact(Timeout = Limit)]
    public async Task An_accepted_run_is_answered_though_another_run_of_its_key_is_nonsense()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var broken = (await core.Intake.SubmitAsync(Keyed(), Cancellation)).Run.RunId;
        await world.Blobs.PutAsync(RunBlobs.Record(broken), "{}"u8.ToArray(), Cancellation);

        var answer = await core.Intake.SubmitAsync(Keyed(ConflictRule.CancelPrevious), Cancellation);

        Assert.True(answer.Created);
        Assert.Equal(2, (await world.NamesAsync("ready/")).Count);
    }

    [Fact(Timeout = Limit)]
    public async Task Cancel_previous_ends_what_waits_before_a_host_can_see_the_new_run()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var older = (await core.Intake.SubmitAsync(Keyed(), Cancellation)).Run.RunId;
        world.Clock.Shift(TimeSpan.FromSeconds(1));
        RunState? seen = null;
        world.Store.Before = async (method, name) =>
        {
            if (method == nameof(IBlobStore.PutAsync) && name.StartsWith("ready/", StringComparison.Ordinal))
            {
                seen = (await world.FindAsync(older))!.State;
            }
        };

        await core.Intake.SubmitAsync(Keyed(ConflictRule.CancelPrevious), Cancellation);

        Assert.Equal(RunState.Cancelled, seen);
    }

    [Fact(Timeout = Limit)]
    public async Task A_tick_goes_on_behind_a_record_that_breaks_it()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var broken = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run;
        world.Clock.Shift(TimeSpan.FromSeconds(1));
        var good = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await EditAsync(world, broken.RunId, record => record["request"]!["priority"] = int.MaxValue);
        foreach (var name in await world.NamesAsync("ready/"))
        {
            await world.Blobs.TryDeleteAsync(name, null, Cancellation);
        }

        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await core.Tick.TickAsync(Cancellation);

        Assert.Contains(good.Value, Assert.Single(await world.NamesAsync("ready/")), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task A_stored_event_that_is_nonsense_does_not_stop_the_tick()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var broken = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        world.Clock.Shift(TimeSpan.FromSeconds(1));
        var good = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        world.FailPublishing(2);
        await core.Cancels.CancelAsync(broken, "ann", null, Cancellation);
        await core.Cancels.CancelAsync(good, "ann", null, Cancellation);
        await EditAsync(world, broken, record => record["event"]!["id"] = 7);

        world.Clock.Shift(TimeSpan.FromSeconds(61));
        await core.Tick.TickAsync(Cancellation);

        Assert.Single(world.CompletionIds(good));
    }

    [Fact(Timeout = Limit)]
    public async Task A_number_too_large_in_a_record_keeps_nobody_behind_it_waiting()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var broken = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await EditAsync(
            world, broken, record => record["attempts"] = new JsonArray(JsonNode.Parse("""{"attempt":1,"host_id":"h","durations":{"queued":1e300}}""")));
        world.Clock.Shift(TimeSpan.FromSeconds(1));
        var good = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        world.StartHost(world.NewMachine());

        Assert.Equal(RunState.Succeeded, (await world.UntilSettledAsync(good, Cancellation)).State);
        await Assert.ThrowsAsync<UnreadableRecordException>(() => world.FindAsync(broken));
    }

    [Theory(Timeout = Limit)]
    [InlineData(5)]
    [InlineData(15)]
    public async Task A_run_cancelled_while_it_waits_for_a_retry_leaves_no_entry(int seconds)
    {
        await using var world = new World { SharedLocks = false };
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C6);
        world.StartHost(dying, world.NewMachine());
        await dying.Killed.WaitAsync(Cancellation);
        world.Clock.Shift(World.Lease + TimeSpan.FromMinutes(2));
        await core.Tick.TickAsync(Cancellation);
        Assert.Equal(WaitingFor.Retry, (await world.FindAsync(run))!.WaitingFor);
        world.Clock.Shift(TimeSpan.FromSeconds(seconds));
        await core.Tick.TickAsync(Cancellation);

        await core.Cancels.CancelAsync(run, "ann", null, Cancellation);

        Assert.Empty(await world.NamesAsync("ready/"));
        Assert.Empty(await world.NamesAsync("later/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_cancel_whose_answer_was_lost_and_that_came_too_late_says_already_finished()
    {
        await using var world = new World();
        var core = world.NewProcess().Core;
        var run = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var claiming = world.NewProcess(ProtocolStep.C9);
        world.StartHost(claiming, world.NewMachine());
        await claiming.Killed.WaitAsync(Cancellation);
        world.LoseAnswerOf(1);
        world.Store.After = async (method, _) =>
        {
            if (method == nameof(IBlobStore.TryReplaceAsync))
            {
                world.Store.After = null;
                await EditAsync(world, run, record => (record["state"], record["reason"]) = ("SUCCEEDED", "completed"));
            }
        };

        Assert.Equal(CancelResult.AlreadyFinished, (await core.Cancels.CancelAsync(run, "ann", null, Cancellation)).Result);
    }

    [Fact(Timeout = Limit)]
    public async Task Signals_of_a_host_that_lives_for_months_stay_small_and_the_latest_is_among_them()
    {
        await using var world = new World();
        var signals = new HostSignals(world.Blobs);
        var last = default(RunId);
        for (var i = 0; i < 1000; i++)
        {
            await signals.AddCancelsAsync("h-1", [last = RunId.Create(world.Clock)], Cancellation);
        }

        var blob = (await world.Blobs.FindAsync("signals/h-1.json", Cancellation))!;
        Assert.InRange(blob.Length, 1, 25_000);
        Assert.Contains(last.Value, Encoding.UTF8.GetString(blob.Content.Span), StringComparison.Ordinal);
    }

    private static OzCore Limited(World world, int most) =>
        new(world.NewProcess().Core.Ports, new() { Intake = new() { MaxQueued = most } }, NullLoggerFactory.Instance);

    private static RunSubmission Keyed(ConflictRule? rule = null)
    {
        var ask = World.Ask();
        return ask with { Request = ask.Request with { ConcurrencyKey = "repo", OnConflict = rule } };
    }

    private static async Task EditAsync(World world, RunId run, Action<JsonObject> edit)
    {
        var name = RunBlobs.Record(run);
        var record = JsonNode.Parse((await world.Blobs.FindAsync(name, Cancellation))!.Content.Span)!.AsObject();
        edit(record);
        await world.Blobs.PutAsync(name, JsonSerializer.SerializeToUtf8Bytes(record), Cancellation);
    }
}
