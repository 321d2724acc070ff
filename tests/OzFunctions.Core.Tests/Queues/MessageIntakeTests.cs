using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Schedules;
using OzFunctions.Queues;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Queues;

/// <summary>What consumers and triggers do with a message; the triggers of the function app hold no more than this and a settlement.</summary>
public sealed class MessageIntakeTests
{
    private const string Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_request_becomes_a_run_a_repeat_of_its_message_the_same_and_its_trace_goes_on()
    {
        var messages = new ScheduleScene().Process.Messages;

        var first = await messages.TakeAsync("oz-requests", "m1", Bytes("""{"prompt":"p"}"""), Trace, Cancellation);
        var again = await messages.TakeAsync("oz-requests", "m1", Bytes("""{"prompt":"p"}"""), null, Cancellation);
        var other = await messages.TakeAsync("oz-requests", "m2", Bytes("""{"prompt":"p"}"""), null, Cancellation);

        Assert.Equal((true, Trace, TriggerKind.Queue, "m1"), (first.Answer!.Created, first.Answer.Run.Traceparent, first.Answer.Run.Trigger.Kind, first.Answer.Run.Trigger.DeliveryId));
        Assert.Equal((false, first.Answer.Run.RunId), (again.Answer!.Created, again.Answer.Run.RunId));
        Assert.NotEqual(first.Answer.Run.RunId, other.Answer!.Run.RunId);
    }

    [Theory]
    [InlineData(Trace, null, Trace)]
    [InlineData("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Trace, Trace)]
    [InlineData("nonsense", null, null)]
    [InlineData("00-00000000000000000000000000000000-00f067aa0ba902b7-01", null, null)]
    [InlineData("nonsense", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", null)]
    [InlineData("nonsense", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", null)]
    public async Task The_trace_of_a_cloud_event_goes_on_unless_one_came_beside_it_and_what_is_none_is_left_out(string within, string? beside, string? expected)
    {
        var body = $$$"""{"specversion":"1.0","id":"e","source":"/s","type":"t","traceparent":"{{{within}}}","data":{"prompt":"p"}}""";

        var run = (await new ScheduleScene().Process.Messages.TakeAsync("oz-requests", "m1", Bytes(body), beside, Cancellation)).Answer!.Run;

        Assert.Equal(55, run.Traceparent!.Length);
        Assert.True(expected is null ? run.Traceparent != within && run.Traceparent != beside : run.Traceparent == expected, run.Traceparent);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(null)]
    public async Task Two_bad_messages_of_one_id_that_their_sender_chose_are_two_dead_letters_and_one_twice_is_one(int? deliveries)
    {
        var core = new ScheduleScene().Process;
        Task<string> BuryAsync(string body, int? times) => core.Messages.BuryAsync("oz-requests", "order-7", Bytes(body), MessageIntake.InvalidRequest, "no request", [], times, Cancellation);

        var (one, other) = (await BuryAsync("{", deliveries), await BuryAsync("[", deliveries));
        Assert.Equal(one, await BuryAsync("{", 2));
        await core.Messages.BuryGivenUpAsync("oz-requests", "order-7", Bytes("["), null, null, null, Cancellation, await core.Messages.FindBuriedAsync(Cancellation));

        Assert.Equal(["[", "{"], (await core.DeadLetters.ListAsync(Cancellation).ToListAsync(Cancellation)).Select(letter => letter.Body).Order(StringComparer.Ordinal));
        Assert.Equal(("{", "["), ((await core.DeadLetters.FindAsync(one, Cancellation))!.Body, (await core.DeadLetters.FindAsync(other, Cancellation))!.Body));
        Assert.True(await core.DeadLetters.TryRemoveAsync(one, Cancellation));
        Assert.Equal("[", (await core.DeadLetters.FindAsync(other, Cancellation))!.Body);
    }

    [Fact]
    public async Task The_requests_own_key_wins_over_the_message_id_also_inside_a_cloud_event()
    {
        var messages = new ScheduleScene().Process.Messages;

        var first = await messages.TakeAsync("oz-requests", "m1", Bytes("""{"prompt":"p","idempotency_key":"k"}"""), null, Cancellation);
        var again = await messages.TakeAsync(
            "oz-requests", "m2", Bytes("""{"specversion":"1.0","id":"e","source":"/s","type":"t","data":{"prompt":"p","idempotency_key":"k"}}"""), null, Cancellation);

        Assert.Equal((first.Answer!.Run.RunId, false), (again.Answer!.Run.RunId, again.Answer.Created));
    }

    [Fact]
    public async Task A_bad_message_is_told_with_every_fault_and_starts_nothing()
    {
        var scene = new ScheduleScene();

        var verdict = await scene.Process.Messages.TakeAsync("oz-requests", "m1", Bytes("""{"promt":"p","priority":9}"""), null, Cancellation);

        Assert.Null(verdict.Answer);
        Assert.True(verdict.Faults.Count >= 2);
        Assert.Empty(scene.Store.Names);
    }

    [Fact]
    public async Task What_a_broker_gave_up_is_kept_once_with_its_reason_and_the_faults()
    {
        var core = new ScheduleScene().Process;

        var id = await core.Messages.BuryGivenUpAsync("oz-requests", "m1", Bytes("""{"promt":"p"}"""), "invalid_request", "as the broker says", 1, Cancellation);
        Assert.Equal(id, await core.Messages.BuryGivenUpAsync("oz-requests", "m1", Bytes("""{"promt":"p"}"""), null, null, 2, Cancellation));
        await core.Messages.BuryGivenUpAsync("oz-requests", "m2", Bytes("""{"prompt":"p"}"""), null, null, 100, Cancellation);
        await core.Messages.BuryGivenUpAsync("oz-requests", "m3", Bytes("""{"prompt":"p"}"""), null, null, deliveries: null, Cancellation);

        var letter = (await core.DeadLetters.FindAsync(id, Cancellation))!;
        Assert.Equal(("invalid_request", "as the broker says"), (letter.Reason, letter.Description));
        Assert.Contains(letter.Faults, fault => fault.Path == "promt");
        var letters = await core.DeadLetters.ListAsync(Cancellation).ToListAsync(Cancellation);
        Assert.Equal(["delivered_too_often", "delivered_too_often", "invalid_request"], letters.Select(one => one.Reason).Order(StringComparer.Ordinal));
        Assert.Contains("100 times", letters.Single(one => one.MessageId == "m2").Description, StringComparison.Ordinal);
        Assert.Contains("as often as its queue allows", letters.Single(one => one.MessageId == "m3").Description, StringComparison.Ordinal);
    }

    /// <summary>Every way to a dead letter ends here, so an alert that reads this line misses none: a consumer's, a trigger's, a broker's.</summary>
    [Fact]
    public async Task Each_dead_letter_is_a_line_in_the_log_with_its_reason_and_first_fault()
    {
        using var lines = new LogLines();
        var core = new ScheduleScene().NewProcess(new(), lines);

        var id = await core.Messages.BuryGivenUpAsync("oz-requests", "m1", Bytes("""{"promt":"p"}"""), null, null, 1, Cancellation);

        var line = Assert.Single(lines.Written, line => line.Contains(" became dead letter ", StringComparison.Ordinal));
        Assert.StartsWith($"Warning: Message m1 of oz-requests became dead letter {id} (invalid_request): promt", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flood_of_bad_messages_lists_no_letters_and_one_that_was_delivered_before_is_looked_for()
    {
        var scene = new ScheduleScene();
        var queue = new InMemoryRequestQueue("oz-requests", scene.Clock);
        var listings = 0;
        scene.Store.Before = (call, name) =>
        {
            listings += call == "ListAsync" && name.StartsWith("dead-letters/", StringComparison.Ordinal) ? 1 : 0;
            return Task.CompletedTask;
        };
        await queue.SendAsync("["u8.ToArray(), Cancellation);
        var killed = (await queue.ReceiveAsync(TimeSpan.FromSeconds(1), TimeSpan.Zero, Cancellation))!;
        await scene.Process.Messages.BuryAsync("oz-requests", killed.MessageId, killed.Body, "invalid_request", "d", [], killed.DeliveryCount, Cancellation);
        for (var i = 0; i < 20; i++)
        {
            await queue.SendAsync("{"u8.ToArray(), Cancellation);
        }

        var consumer = scene.Process.CreateConsumer(queue);
        while (await consumer.ConsumeOneAsync(TimeSpan.Zero, Cancellation))
        {
        }

        Assert.Equal((1, 0), (queue.Count, listings));
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await consumer.ConsumeOneAsync(TimeSpan.Zero, Cancellation);
        Assert.Equal((0, 1), (queue.Count, listings));
        Assert.Equal(21, scene.Store.Names.Count(name => name.StartsWith("dead-letters/", StringComparison.Ordinal)));
    }

    [Fact(Timeout = 180_000)]
    public async Task While_the_store_is_away_the_consumer_pauses_after_each_message_and_says_so_in_one_line()
    {
        using var lines = new LogLines();
        var scene = new ScheduleScene();
        var queue = new InMemoryRequestQueue("oz-requests", scene.Clock);
        for (var i = 0; i < 3; i++)
        {
            await queue.SendAsync("""{"prompt":"p"}"""u8.ToArray(), Cancellation);
        }

        scene.Store.Before = (_, _) => throw new BlobStoreException("The store did not answer (503).", isTransient: true, null);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);

        var consuming = scene.NewProcess(new(), lines).CreateConsumer(queue).RunAsync(stop.Token);
        await scene.Clock.TimerArmedAsync(1, Cancellation);

        // One message was met, the others were not touched.
        Assert.Equal(1, (await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation))!.DeliveryCount);
        Assert.Single(lines.Written);
        scene.Clock.Advance(TimeSpan.FromSeconds(5));
        await scene.Clock.TimerArmedAsync(1, Cancellation);
        Assert.Single(lines.Written, "Warning: A message of oz-requests was given back, the store does not take it now: The store did not answer (503). (and 0 more like it since the last line)");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => consuming);
    }

    [Fact]
    public async Task A_letter_that_a_late_write_doubled_is_removed_whole()
    {
        var scene = new ScheduleScene();
        var id = await scene.Process.Messages.BuryGivenUpAsync("oz-requests", "m1", Bytes("{}"), null, null, 1, Cancellation);
        var name = Assert.Single(scene.Store.Names);
        await scene.Store.PutAsync($"dead-letters/0000000000001-{id}.json", (await scene.Store.FindAsync(name, Cancellation))!.Content, Cancellation);

        Assert.True(await scene.Process.DeadLetters.TryRemoveAsync(id, Cancellation));

        Assert.Empty(scene.Store.Names);
        Assert.False(await scene.Process.DeadLetters.TryRemoveAsync(id, Cancellation));
    }

    [Fact]
    public void A_message_that_comes_back_again_and_again_is_kept_longer_each_time() =>
        Assert.Equal([1, 1, 2, 4, 8, 16, 30, 30], ((int[])[0, 1, 2, 3, 4, 5, 6, 1000]).Select(delivery => (int)MessageIntake.PauseBefore(delivery).TotalSeconds));

    private static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
