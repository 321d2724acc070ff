namespace OzFunctions.AzureStorage;

/// <summary>
/// How often queues are looked at: every 50 ms for 10 seconds after something came, then ever slower, down to once in 1.5 seconds (so that a request to an
/// idle host starts within 2).
/// </summary>
internal sealed class PollPace(TimeProvider time)
{
    private static readonly TimeSpan Fast = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan FastFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Slowest = TimeSpan.FromMilliseconds(1500);

    private long _busy = time.GetTimestamp();

    public void NoteWork() => Volatile.Write(ref _busy, time.GetTimestamp());

    /// <summary>Pause before the next look.</summary>
    public TimeSpan Next()
    {
        var quiet = time.GetElapsedTime(Volatile.Read(ref _busy)) - FastFor;
        return quiet <= TimeSpan.Zero ? Fast : Min(Slowest, Fast + quiet / 20);
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
