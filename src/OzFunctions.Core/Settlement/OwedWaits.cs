using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Settlement;

/// <summary>Until when this process need not look at runs whose events are owed. Forgetting any of it costs a look.</summary>
internal sealed class OwedWaits(TimeProvider time, PutOffPublishers putOff)
{
    private const int Most = 100_000;

    /// <summary>Without a time, or with one that may be a reservation, an entry is a lane's, of this host or another; that is soon enough to look whether it came to something.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromMinutes(1);

    private readonly Dictionary<RunId, (ETag Marker, DateTimeOffset Until, string? PutOff)> _waits = [];

    /// <summary>False: what the run owes is not due yet, or is owed to nobody but queues that are put off.</summary>
    public bool AreOver(RunId runId, ETag marker)
    {
        lock (_waits)
        {
            return !_waits.TryGetValue(runId, out var wait) || wait.Marker != marker
                || (wait.Until <= time.GetUtcNow() && (wait.PutOff is null || !putOff.Contains(wait.PutOff)));
        }
    }

    /// <param name="ofLanes">Those of <paramref name="owed"/> that a lane of this process may send.</param>
    public void Remember(RunId runId, ETag marker, IReadOnlyList<OutboxEntry> owed, IReadOnlyList<OutboxEntry> ofLanes)
    {
        var now = time.GetUtcNow();
        var until = owed.Min(entry => Earliest(entry, now, ofLanes.Contains(entry)));
        lock (_waits)
        {
            if (_waits.Count >= Most)
            {
                _waits.Clear();
            }

            _waits[runId] = (marker, until, owed.All(entry => putOff.Contains(entry.Publisher)) ? owed[0].Publisher : null);
        }
    }

    public void Forget(RunId runId)
    {
        lock (_waits)
        {
            _waits.Remove(runId);
        }
    }

    /// <summary>
    /// What is due and still there is for others to send, or a lane's. A host that stops gives back what it reserved, and nothing but the record tells the others.
    /// </summary>
    private static DateTimeOffset Earliest(OutboxEntry entry, DateTimeOffset now, bool isOfLane) =>
        entry.NextAt is not { } next || next <= now || (isOfLane && next > now + Soon && next <= now + DeliveryReservations.AtMost) ? now + Soon : next;
}
