namespace OzFunctions.AzureStorage;

/// <summary>
/// How often queues are looked at: every 50 ms for 10 seconds after something came, then ever slower, down to once in 1.5 seconds (so that a request to an
/// idle host starts within 2).
/// </summary>
internal sealed class PollPace(TimeProvider time)
{
    /// <summary>The quickest.</summary>
    public static readonly TimeSpan Fast = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan FastFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Slowest = TimeSpan.FromMilliseconds(1500);

    private const int LeastPart = 5;

    private long _busy = time.GetTimestamp();

    public void NoteWork() => Volatile.Write(ref _busy, time.GetTimestamp());

    /// <summary>Pause before the next look, which is due a period after the last one began: the service's own time comes off it.</summary>
    /// <param name="looked">When that was.</param>
    public TimeSpan Next(long looked)
    {
        var quiet = time.GetElapsedTime(Volatile.Read(ref _busy)) - FastFor;
        var period = quiet <= TimeSpan.Zero ? Fast : Min(Slowest, Fast + quiet / 20);

        // A service that is slower than the pace is not asked without a break.
        return Max(period / LeastPart, period - time.GetElapsedTime(looked));
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
