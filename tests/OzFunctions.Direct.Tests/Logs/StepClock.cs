using System.Collections.Concurrent;
using System.Threading.Channels;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>A clock that stands still until told. Its timers fire once.</summary>
internal sealed class StepClock : TimeProvider
{
    private readonly ConcurrentDictionary<Timer, Action> _timers = new();
    private readonly Channel<TimeSpan> _armed = Channel.CreateUnbounded<TimeSpan>();
    private long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _now);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddTicks(GetTimestamp());

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(_timers, GetTimestamp() + dueTime.Ticks);
        _timers[timer] = () => callback(state);
        _armed.Writer.TryWrite(dueTime);
        return timer;
    }

    /// <summary>Something has begun to wait for this long.</summary>
    public async Task ArmedAsync(TimeSpan dueTime, CancellationToken cancellationToken)
    {
        while (await _armed.Reader.ReadAsync(cancellationToken) != dueTime)
        {
            // A wait of before.
        }
    }

    public void Advance(TimeSpan by)
    {
        var now = Interlocked.Add(ref _now, by.Ticks);
        foreach (var (timer, fire) in _timers)
        {
            if (timer.Due <= now && _timers.TryRemove(timer, out _))
            {
                fire();
            }
        }
    }

    private sealed class Timer(ConcurrentDictionary<Timer, Action> timers, long due) : ITimer
    {
        public long Due => due;

        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose() => timers.TryRemove(this, out _);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
