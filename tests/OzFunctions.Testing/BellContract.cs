using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Testing;

/// <summary>What every <see cref="IBell"/> keeps to when nothing is broken; that it may lose a ring is its readers' concern.</summary>
public abstract class BellContract
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(50);

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected static RunId Run { get; } = RunId.Create(TimeProvider.System);

    protected abstract IBell CreateBell();

    [Fact(Timeout = 180_000)]
    public async Task A_ring_before_the_wait_is_remembered()
    {
        var bell = CreateBell();
        await using var listener = bell.Listen("local");
        await bell.RingAsync("local", Run, Cancellation);
        await bell.RingAsync("local", Run, Cancellation);

        Assert.True(await listener.WaitAsync(Long, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_ring_ends_the_wait()
    {
        var bell = CreateBell();
        await using var listener = bell.Listen("local");
        for (var round = 0; round < 5; round++)
        {
            var waiting = listener.WaitAsync(Long, Cancellation);
            await bell.RingAsync("local", Run, Cancellation);
            Assert.True(await waiting);
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task All_listeners_of_a_worker_hear_it_and_no_other()
    {
        var bell = CreateBell();
        await using var first = bell.Listen("local");
        await using var second = bell.Listen("local");
        await using var other = bell.Listen("gpu/größe");
        await bell.RingAsync("local", Run, Cancellation);

        Assert.True(await first.WaitAsync(Long, Cancellation));
        Assert.True(await second.WaitAsync(Long, Cancellation));
        Assert.False(await other.WaitAsync(TimeSpan.Zero, Cancellation));
        await bell.RingAsync("gpu/größe", Run, Cancellation);
        Assert.True(await other.WaitAsync(Long, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task Without_a_ring_the_wait_ends_empty()
    {
        var bell = CreateBell();
        await bell.RingAsync("local", Run, Cancellation);
        await using var listener = bell.Listen("local");

        Assert.False(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_wait_can_be_cancelled()
    {
        var bell = CreateBell();
        await using var listener = bell.Listen("local");
        using var source = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var waiting = listener.WaitAsync(TimeSpan.FromMinutes(10), source.Token);

        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }
}
