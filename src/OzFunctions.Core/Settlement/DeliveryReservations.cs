using System.Collections.Concurrent;
using OzFunctions.Blobs;
using OzFunctions.Hosts;
using OzFunctions.Runs;

namespace OzFunctions.Settlement;

/// <summary>
/// Which host is at a delivery on foreign ground, so that one sends. The record says it: <c>next_at</c>, put ahead before the try, keeps the others away until then, and
/// <c>host_id</c> names the host that is at it. They take the entry earlier only when they know that this one is gone.
/// </summary>
internal sealed class DeliveryReservations(RunRecords records, HostRegistry hosts, TimeProvider time)
{
    /// <summary>How long a lane's try is kept from other hosts: longer than any try may take.</summary>
    private static readonly TimeSpan Reserved = TimeSpan.FromMinutes(10);

    /// <summary>Two hosts that reserve in the same millisecond do not write the same: each would take the other's for its own.</summary>
    private static readonly TimeSpan ReservedApart = TimeSpan.FromMinutes(1);

    /// <summary>A later time is no reservation.</summary>
    public static readonly TimeSpan AtMost = Reserved + ReservedApart;

    /// <summary>A host that stops waits this long for the store to take back what it reserved.</summary>
    private static readonly TimeSpan GivenBackWithin = TimeSpan.FromSeconds(1);

    /// <summary>A host that was looked for is not looked for again at once: it may have left many.</summary>
    private static readonly TimeSpan LookedFor = TimeSpan.FromSeconds(10);

    private const int MostLooked = 1000;

    private readonly RunRecords _records = records;
    private readonly TimeProvider _time = time;
    private readonly Dictionary<string, HeldName> _held = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (long At, bool Gone)> _looked = new(StringComparer.Ordinal);
    private volatile bool _leftReserved;
    private volatile LivingHost? _host;

    /// <summary>Says who lives here, from now on.</summary>
    /// <param name="hostId">The id by which others find this host alive now; null, or an answer of null: there is none.</param>
    /// <param name="locks">By which hosts of one <c>workspace_root</c> see each other's end; null: only the lease tells.</param>
    public void ReserveAs(Func<string?>? hostId, IHostLock? locks) => _host = new(hostId, locks);

    /// <summary>True: a host of this <c>workspace_root</c> sent to foreign ground, and its process is gone.</summary>
    public bool SawEnd(string hostId) => _host?.Locks?.Find(hostId) is { Held: false };

    /// <summary>True: something is being sent that is reserved under this id, or is about to be. Asked by a host that has given up its name: it becomes no more.</summary>
    public bool IsSendingAs(string hostId)
    {
        lock (_held)
        {
            return _held.TryGetValue(hostId, out var held) && held.Sending > 0;
        }
    }

    /// <summary>
    /// True: the entry is kept for a host that is known to be gone, so that nobody is at it. One that was only not heard of for a while may be sending: it keeps the entry
    /// as long as it keeps its runs.
    /// </summary>
    public async Task<bool> IsLeftAsync(OutboxEntry entry, CancellationToken cancellationToken)
    {
        if (entry.HostId is not { } hostId || !(entry.NextAt > _time.GetUtcNow()))
        {
            return false;
        }

        if (_host?.Locks?.Find(hostId) is { } seen)
        {
            return !seen.Held;
        }

        if (_looked.TryGetValue(hostId, out var looked) && _time.GetElapsedTime(looked.At) < LookedFor)
        {
            return looked.Gone;
        }

        var gone = await hosts.IsDeadAsync(hostId, cancellationToken);
        if (_looked.Count >= MostLooked)
        {
            _looked.Clear();
        }

        _looked[hostId] = (_time.GetTimestamp(), gone);
        return gone;
    }

    /// <summary>A reservation for one try that begins now. Nothing is reserved yet.</summary>
    public Reservation Begin(RunId runId, string publisher) => new(this, runId, publisher, _time.GetWireTime(Reserved + ReservedApart * Random.Shared.NextDouble()));

    /// <summary>Lets go of the locks of all ids that were reserved under. For a process that ends, when nothing is being sent any more.</summary>
    public void ReleaseLocks()
    {
        lock (_held)
        {
            foreach (var name in _held.Values)
            {
                name.Lock?.Dispose();
                if (!_leftReserved)
                {
                    name.Locks?.Forget(name.HostId);
                }
            }

            _held.Clear();
        }
    }

    /// <summary>The name under which this process reserves, its lock held from before the first reservation; null: no host lives here that others would find alive.</summary>
    private HeldName? HoldHost()
    {
        lock (_held)
        {
            // Under the lock, as what a host asks that has given up its name: it is counted there, or not taken here.
            if (_host is not { } host || host.Id?.Invoke() is not { } hostId)
            {
                return null;
            }

            if (!_held.TryGetValue(hostId, out var name))
            {
                // An id that this process had before stays held too: what it sends under it may still be under way.
                _held[hostId] = name = new(hostId, host.Locks, TryHold(host.Locks, hostId));
            }

            name.Sending++;
            return name;
        }
    }

    private static IHeldHostLock? TryHold(IHostLock? locks, string hostId)
    {
        try
        {
            return locks?.Hold(hostId);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            // Without it the others wait for this host's lease.
            return null;
        }
    }

    private void LetGo(HeldName? name)
    {
        if (name is not null)
        {
            lock (_held)
            {
                name.Sending--;
            }
        }
    }

    private static RunRecord WithEntry(RunRecord record, OutboxEntry mine) =>
        record with { Outbox = [.. record.Outbox!.Select(entry => entry.Publisher == mine.Publisher ? mine : entry)] };

    /// <summary>One try's reservation of one entry. To be disposed when what came of the try is written: until then this process is sending under its id.</summary>
    /// <param name="until">What <c>next_at</c> becomes, and by which this reservation is known again.</param>
    internal sealed class Reservation(DeliveryReservations all, RunId runId, string publisher, DateTimeOffset until) : IDisposable
    {
        private HeldName? _name;

        /// <summary>The entry as it was found, for the try; null: nothing was reserved.</summary>
        public OutboxEntry? Entry { get; private set; }

        /// <summary>Reserves the entry, if it is due or left. Answers the run as it stands then; null: there is nothing to send, or another host is at it.</summary>
        public async Task<StoredRun?> TryTakeAsync(StoredRun? run, CancellationToken cancellationToken)
        {
            var left = Find(run?.Record) is { } found && await all.IsLeftAsync(found, cancellationToken) ? found.HostId : null;
            _name = all.HoldHost();

            // Every host's tick offers it: one of them writes this first, and the others find it not due, as they find what was put off.
            var reserved = await all._records.UpdateAsync(
                runId,
                run,
                record =>
                {
                    var there = Find(record);
                    if (there is null || there.NextAt == until)
                    {
                        return there is null ? RecordDecision.Refuse : RecordDecision.Done;
                    }

                    Entry = there.HostId is null ? there : there with { NextAt = null, HostId = null };
                    return there.NextAt > all._time.GetUtcNow() && (left is null || there.HostId != left)
                        ? RecordDecision.Refuse
                        : RecordDecision.Write(WithEntry(record, there with { NextAt = until, HostId = _name?.HostId }));
                },
                cancellationToken);
            return reserved.IsDone && Entry is not null ? reserved.Run : null;
        }

        /// <summary>A host that stops in the middle of a try leaves it to the others as it found it: they need not wait until it is theirs by time.</summary>
        public async Task GiveBackAsync()
        {
            if (Entry is not { } entry)
            {
                return;
            }

            using var deadline = new CancellationTokenSource(GivenBackWithin, all._time);
            try
            {
                await all._records.UpdateAsync(
                    runId, null, record => record.Outbox?.Any(there => there.Publisher == publisher && there.NextAt == until) == true ? RecordDecision.Write(WithEntry(record, entry)) : RecordDecision.Refuse, deadline.Token);
            }
            catch (Exception ex) when (ex is BlobStoreException or UnreadableRecordException or OperationCanceledException)
            {
                // It is due again when its time is over, or when somebody sees that this host is gone.
                all._leftReserved = true;
            }
        }

        public void Dispose() => all.LetGo(_name);

        private OutboxEntry? Find(RunRecord? record) => record?.Outbox?.FirstOrDefault(there => there.Publisher == publisher);
    }

    /// <summary>Who lives here. One object: lanes run already when the next host of this process takes over.</summary>
    private sealed record LivingHost(Func<string?>? Id, IHostLock? Locks);

    /// <summary>An id that this process reserves under, and the lock of it. Locks of one process may lie in several roots.</summary>
    private sealed class HeldName(string hostId, IHostLock? locks, IHeldHostLock? held)
    {
        public string HostId => hostId;

        public IHostLock? Locks => locks;

        public IHeldHostLock? Lock => held;

        public int Sending { get; set; }
    }
}
