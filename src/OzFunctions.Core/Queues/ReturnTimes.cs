namespace OzFunctions.Queues;

/// <summary>
/// When messages that found no room are to come back: one after the other, however many there are. All at once they would come before the requests of workers that have room,
/// again and again, and keep host and queue busy with nothing else.
/// </summary>
internal sealed class ReturnTimes(TimeProvider time)
{
    private static readonly TimeSpan Soonest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Apart = TimeSpan.FromMilliseconds(100);

    /// <summary>Where that many wait, a new limit or another host must not be noticed a day later.</summary>
    private static readonly TimeSpan Latest = TimeSpan.FromHours(1);

    /// <summary>Whoever is refused for the first time may have found his worker full for a moment only, however many wait for another.</summary>
    private static readonly TimeSpan LatestFirst = TimeSpan.FromMinutes(1);

    /// <summary>Of the time of a consumer at most so much goes into messages that come back: a share for a store however slow.</summary>
    private const int Share = 4;

    private readonly long _start = time.GetTimestamp();
    private TimeSpan _last;

    /// <summary>In how long the message may come back that was looked at since <paramref name="looked"/>.</summary>
    /// <param name="looked">When it was received.</param>
    /// <param name="isFirst">It did not come back before.</param>
    public TimeSpan Next(long looked, bool isFirst)
    {
        var now = time.GetElapsedTime(_start);
        var took = Share * time.GetElapsedTime(looked);
        var next = _last + (took > Apart ? took : Apart);
        if (next < now + Soonest)
        {
            next = now + Soonest;
        }

        if (next <= now + Latest)
        {
            _last = next;
        }

        var latest = isFirst ? LatestFirst : Latest;
        return next - now < latest ? next - now : latest;
    }
}
