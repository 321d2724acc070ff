using System.Collections.Concurrent;
using System.Text;
using OzFunctions.Queues;

namespace OzFunctions.Testing;

/// <summary>What every <see cref="IRequestQueue"/> keeps to.</summary>
public abstract class RequestQueueContract
{
    private static readonly TimeSpan Visibility = TimeSpan.FromSeconds(2);

    /// <summary>Longer than any test.</summary>
    private static readonly TimeSpan Hidden = TimeSpan.FromHours(1);

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected abstract IRequestQueue CreateQueue();

    /// <summary>Lets time pass on the queue's clock.</summary>
    protected virtual Task PassAsync(TimeSpan time) => Task.Delay(time, TimeProvider.System, Cancellation);

    [Fact(Timeout = 180_000)]
    public async Task Messages_come_in_order_and_are_gone_when_completed()
    {
        var queue = CreateQueue();
        var sent = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            sent.Add(await queue.SendAsync(Bytes($"{i}"), Cancellation));
        }

        Assert.Distinct(sent);
        for (var i = 0; i < 5; i++)
        {
            var message = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation);
            Assert.NotNull(message);
            Assert.Equal((sent[i], $"{i}", 1), (message.MessageId, Text(message), message.DeliveryCount));
            Assert.True(await queue.CompleteAsync(message, Cancellation));
            Assert.False(await queue.CompleteAsync(message, Cancellation));
        }

        Assert.Null(await queue.ReceiveAsync(Visibility, TimeSpan.Zero, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_received_message_is_hidden_and_comes_back_counted()
    {
        var queue = CreateQueue();

        // One that stays hidden and one that comes back: how soon the next look comes is the machine's affair.
        await queue.SendAsync(Bytes("hidden"), Cancellation);
        Assert.NotNull(await queue.ReceiveAsync(Hidden, TimeSpan.Zero, Cancellation));
        Assert.Null(await queue.ReceiveAsync(Visibility, TimeSpan.Zero, Cancellation));
        var id = await queue.SendAsync(Bytes("body"), Cancellation);
        var first = await queue.ReceiveAsync(Visibility, TimeSpan.Zero, Cancellation);
        Assert.NotNull(first);
        await PassAsync(Visibility + TimeSpan.FromSeconds(1.5));

        var second = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation);
        Assert.NotNull(second);
        Assert.Equal((id, "body", 2), (second.MessageId, Text(second), second.DeliveryCount));
        Assert.False(await queue.CompleteAsync(first, Cancellation));
        Assert.False(await queue.AbandonAsync(first, TimeSpan.Zero, Cancellation));
        Assert.True(await queue.CompleteAsync(second, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task An_abandoned_message_is_there_again_after_its_delay()
    {
        var queue = CreateQueue();
        await queue.SendAsync(Bytes("hidden"), Cancellation);
        var hidden = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation);
        Assert.True(await queue.AbandonAsync(hidden!, Hidden, Cancellation));
        Assert.Null(await queue.ReceiveAsync(Visibility, TimeSpan.Zero, Cancellation));
        await queue.SendAsync(Bytes("body"), Cancellation);

        var first = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation);
        Assert.True(await queue.AbandonAsync(first!, TimeSpan.Zero, Cancellation));
        var second = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation);
        Assert.Equal((2, "body"), (second!.DeliveryCount, Text(second)));
        Assert.True(await queue.AbandonAsync(second, TimeSpan.FromSeconds(2), Cancellation));
        await PassAsync(TimeSpan.FromSeconds(3.5));

        var third = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation);
        Assert.Equal((3, "body"), (third!.DeliveryCount, Text(third)));
        Assert.True(await queue.CompleteAsync(third, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task Who_waits_gets_the_next_message()
    {
        var queue = CreateQueue();
        var receiving = queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(50), Cancellation);
        Assert.False(receiving.IsCompleted);

        await queue.SendAsync(Bytes("late"), Cancellation);

        var message = await receiving;
        Assert.Equal("late", Text(message!));
        Assert.True(await queue.CompleteAsync(message!, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_wait_can_be_cancelled()
    {
        var queue = CreateQueue();
        using var source = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var receiving = queue.ReceiveAsync(Visibility, TimeSpan.FromMinutes(10), source.Token);

        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => receiving);
    }

    [Fact(Timeout = 180_000)]
    public async Task Several_receivers_get_each_message_once()
    {
        var queue = CreateQueue();
        for (var i = 0; i < 60; i++)
        {
            await queue.SendAsync(Bytes($"{i}"), Cancellation);
        }

        var received = new ConcurrentBag<string>();
        await Parallel.ForAsync(0, 4, Cancellation, async (_, cancellationToken) =>
        {
            while (await queue.ReceiveAsync(TimeSpan.FromMinutes(5), TimeSpan.Zero, cancellationToken) is { } message)
            {
                received.Add(Text(message));
                Assert.True(await queue.CompleteAsync(message, cancellationToken));
            }
        });

        Assert.Equal(Enumerable.Range(0, 60).Select(i => $"{i}").Order(), received.Order());
    }

    protected static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected static string Text(QueuedMessage message) => Encoding.UTF8.GetString(message.Body.Span);
}
