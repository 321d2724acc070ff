using OzFunctions.Testing;

namespace OzFunctions.Files.InMemory;

public sealed class ManualTimeProviderTests
{
    private readonly ManualTimeProvider _clock = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Timestamps_and_utc_advance_together()
    {
        var (utc, timestamp) = (_clock.GetUtcNow(), _clock.GetTimestamp());
        _clock.Advance(TimeSpan.FromSeconds(90));

        Assert.Equal(TimeSpan.FromSeconds(90), _clock.GetUtcNow() - utc);
        Assert.Equal(TimeSpan.FromSeconds(90), _clock.GetElapsedTime(timestamp));
    }

    [Fact]
    public void A_jump_of_the_wall_clock_fires_nothing()
    {
        var fired = 0;
        using var timer = _clock.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        var timestamp = _clock.GetTimestamp();
        _clock.JumpWallClock(TimeSpan.FromDays(1));

        Assert.Equal((0, TimeSpan.Zero), (fired, _clock.GetElapsedTime(timestamp)));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, fired);
    }

    [Fact]
    public void Timers_fire_in_order_each_at_its_own_time()
    {
        var start = _clock.GetUtcNow();
        var fired = new List<(string, double)>();
        using var periodic = _clock.CreateTimer(_ => fired.Add(("p", (_clock.GetUtcNow() - start).TotalSeconds)), null, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2));
        using var once = _clock.CreateTimer(_ => fired.Add(("o", (_clock.GetUtcNow() - start).TotalSeconds)), null, TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan);
        _clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal([("p", 2), ("o", 3), ("p", 4)], fired);
        Assert.Equal(1, _clock.ArmedTimers);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_test_can_wait_until_the_code_waits()
    {
        var armed = _clock.TimerArmedAsync(2, Cancellation);
        var first = Task.Delay(TimeSpan.FromSeconds(10), _clock, Cancellation);
        Assert.False(armed.IsCompleted);
        var second = Task.Delay(TimeSpan.FromSeconds(20), _clock, Cancellation);
        await armed;

        _clock.Advance(TimeSpan.FromSeconds(10));
        await first;
        Assert.False(second.IsCompleted);
        await _clock.TimerArmedAsync(1, Cancellation);
        _clock.Advance(TimeSpan.FromSeconds(10));
        await second;
    }

    [Fact(Timeout = 180_000)]
    public async Task A_deadline_of_the_framework_keeps_to_it()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(5), _clock);
        _clock.Advance(TimeSpan.FromMinutes(4));
        Assert.False(deadline.IsCancellationRequested);
        _clock.Advance(TimeSpan.FromMinutes(1));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.Delay(Timeout.InfiniteTimeSpan, _clock, deadline.Token));
    }
}
