namespace OzFunctions.Core.Tests.Simulation;

/// <summary>A machine whose wall clock is wrong by as much; time goes by as it does everywhere.</summary>
internal sealed class SkewedTimeProvider(TimeProvider right, TimeSpan skew) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => right.GetUtcNow() + skew;

    public override long TimestampFrequency => right.TimestampFrequency;

    public override long GetTimestamp() => right.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => right.CreateTimer(callback, state, dueTime, period);
}
