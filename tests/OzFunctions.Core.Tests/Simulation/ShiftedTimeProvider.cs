namespace OzFunctions.Core.Tests.Simulation;

/// <summary>The real clock, which a test may move forward by hours at once; timers are real, so loops with short periods go on meanwhile.</summary>
internal sealed class ShiftedTimeProvider : TimeProvider
{
    private long _shift;

    /// <summary>How far it was moved so far.</summary>
    public TimeSpan Shifted => TimeSpan.FromTicks(Interlocked.Read(ref _shift));

    public void Shift(TimeSpan by) => Interlocked.Add(ref _shift, by.Ticks);

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _shift));

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => System.GetElapsedTime(0).Ticks + Interlocked.Read(ref _shift);
}
