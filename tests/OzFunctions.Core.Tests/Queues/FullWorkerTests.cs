using System.Text;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Queues;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Queues;

/// <summary>Messages for a worker for which <c>limits.max_queued</c> runs wait already.</summary>
public sealed class FullWorkerTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void A_message_that_is_refused_for_the_first_time_waits_a_minute_at_most_however_many_others_wait()
    {
        var time = new ManualTimeProvider();
        var returns = new ReturnTimes(time);
        for (var message = 0; message < 2_000; message++)
        {
            returns.Next(time.GetTimestamp(), isFirst: false);
        }

        Assert.Equal(TimeSpan.FromMinutes(1), returns.Next(time.GetTimestamp(), isFirst: true));
        Assert.True(returns.Next(time.GetTimestamp(), isFirst: false) > TimeSpan.FromMinutes(3));
    }

    [Fact(Timeout = 180_000)]
    public async Task Its_messages_come_back_one_after_the_other_and_are_one_line_in_the_log()
    {
        await using var world = new World();
        using var lines = new LogLines();
        var clock = new ManualTimeProvider();
        var queue = new InMemoryRequestQueue("oz-requests", clock);
        var consumer = Limited(world, lines, clock).CreateConsumer(queue);
        await SendAsync(queue, "full", 201);

        Assert.Equal(201, await ConsumeAllAsync(consumer));
        clock.Advance(TimeSpan.FromSeconds(8));

        // 10 a second, the first after 5 s and the last after 8.
        Assert.Equal(31, await ConsumeAllAsync(consumer));
        Assert.Single(lines.Written, line => line.StartsWith("Warning: A message of oz-requests waits there for room: 1 runs wait for worker 'full' already", StringComparison.Ordinal));
        Assert.DoesNotContain(lines.Written, line => line.EndsWith("was given back", StringComparison.Ordinal));
        Assert.Equal(200, queue.Count);
    }

    [Fact(Timeout = 180_000)]
    public async Task Requests_for_others_get_their_turn_behind_them_also_where_the_store_is_slow()
    {
        await using var world = new World();
        using var lines = new LogLines();
        var queue = new InMemoryRequestQueue("oz-requests", world.Clock);
        var consumer = Limited(world, lines, world.Clock).CreateConsumer(queue);
        await SendAsync(queue, "full", 201);
        await SendAsync(queue, "free", 1);
        world.Store.Before = (call, name) =>
        {
            if (call == "FindAsync" && name.StartsWith("keys/", StringComparison.Ordinal))
            {
                world.Clock.Shift(TimeSpan.FromMilliseconds(200));
            }

            return Task.CompletedTask;
        };

        // The oldest message that is visible comes first: the 201, as often as they come back.
        var looks = 0;
        while ((await world.NamesAsync("runs/")).Count < 2 && looks < 1000)
        {
            await consumer.ConsumeOneAsync(TimeSpan.Zero, Cancellation);
            looks++;
        }

        Assert.InRange(looks, 202, 400);
    }

    private static OzCore Limited(World world, LogLines lines, TimeProvider time) =>
        new(world.NewProcess().Core.Ports with { Time = time }, new() { Intake = new() { MaxQueued = 1 } }, lines);

    private static async Task SendAsync(InMemoryRequestQueue queue, string worker, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await queue.SendAsync(Encoding.UTF8.GetBytes($$"""{"prompt":"p","worker_id":"{{worker}}"}"""), Cancellation);
        }
    }

    private static async Task<int> ConsumeAllAsync(OzFunctions.Queues.RequestConsumer consumer)
    {
        var count = 0;
        while (await consumer.ConsumeOneAsync(TimeSpan.Zero, Cancellation))
        {
            count++;
        }

        return count;
    }
}
