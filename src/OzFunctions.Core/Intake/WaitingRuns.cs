using System.Collections.Concurrent;
using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Intake;

/// <summary>
/// How many runs wait, for the limits on them: those that are ready, and those whose time is ahead (<c>not_before</c>, <c>retry_at</c>), else a flood would pass the
/// dam by coming a second later. It must cost next to nothing while the limit is far: the indexes are listed at most once a second and worker, and what this process
/// took in since is added, without gaps. Exact within one process; with several, each may let in what the others took in within that second.
/// </summary>
internal sealed class WaitingRuns(OzPorts ports, RunRecords records)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>A full queue is looked at again sooner: hosts may have made room.</summary>
    private static readonly TimeSpan FreshWhenFull = TimeSpan.FromMilliseconds(200);

    /// <summary>Records read at once: hides a store's latency.</summary>
    private const int AtOnce = 16;

    private readonly ConcurrentDictionary<string, Worker> _workers = new(StringComparer.Ordinal);

    /// <summary>Of the time index when it was listed last; a run whose record nobody can read is nobody's.</summary>
    private volatile IReadOnlyDictionary<RunId, Origin?> _later = new Dictionary<RunId, Origin?>();

    /// <summary>Takes a place for a run that is about to be accepted. Throws <see cref="QueueFullException"/> when there is none.</summary>
    public async Task TakeAsync(RunRecord record, int? mostOfWorker, int? mostOfWebhook, CancellationToken cancellationToken)
    {
        var worker = _workers.GetOrAdd(record.WorkerId, _ => new());
        var webhook = record.Trigger.Kind == TriggerKind.Webhook ? record.Trigger.Name : null;
        var came = ports.Time.GetTimestamp();
        while (!TryTake(worker, record, webhook, mostOfWorker, mostOfWebhook, came, out var counted))
        {
            await CountAsync(worker, record.WorkerId, counted, mostOfWebhook is not null, cancellationToken);
        }
    }

    /// <summary>The run stands in the index now, or it did not come to be.</summary>
    public void Release(RunRecord record, bool accepted)
    {
        if (_workers.TryGetValue(record.WorkerId, out var worker))
        {
            lock (worker.Lock)
            {
                worker.UnderWay.Remove(record.RunId);
                if (!accepted)
                {
                    worker.Added.Remove(record.RunId);
                }
            }
        }
    }

    /// <summary>False: it must be counted (again) first; <paramref name="counted"/> says which count was too old.</summary>
    /// <param name="came">When the caller came: a count that began no earlier is good for it, however long it took.</param>
    private bool TryTake(Worker worker, RunRecord record, string? webhook, int? mostOfWorker, int? mostOfWebhook, long came, out long? counted)
    {
        lock (worker.Lock)
        {
            counted = worker.CountedAt;
            if (counted is not { } at || IsTooOld(at, Fresh) || (mostOfWebhook is not null && !worker.KnowsWebhooks))
            {
                return false;
            }

            if (FindFull(worker, record, webhook, mostOfWorker, mostOfWebhook) is { } full)
            {
                return IsTooOld(at, FreshWhenFull) ? false : throw full;
            }

            worker.Added[record.RunId] = webhook;
            worker.UnderWay.Add(record.RunId);
            return true;
        }

        bool IsTooOld(long at, TimeSpan fresh) => at < came && ports.Time.GetElapsedTime(at) > fresh;
    }

    private static QueueFullException? FindFull(Worker worker, RunRecord record, string? webhook, int? mostOfWorker, int? mostOfWebhook)
    {
        if (mostOfWorker is { } most && worker.Listed.Count + worker.Added.Keys.Count(run => !worker.Listed.ContainsKey(run)) >= most)
        {
            return QueueFullException.OfWorker(record.WorkerId, most);
        }

        return webhook is not null && mostOfWebhook is { } mine
            && worker.Listed.Concat(worker.Added.Where(run => !worker.Listed.ContainsKey(run.Key))).Count(run => run.Value == webhook) >= mine
            ? QueueFullException.OfWebhook(webhook, mine)
            : null;
    }

    /// <summary>Lists, one caller at a time and nobody held up but those who need the count.</summary>
    private async Task CountAsync(Worker worker, string workerId, long? old, bool byWebhook, CancellationToken cancellationToken)
    {
        await worker.Turn.WaitAsync(cancellationToken);
        try
        {
            if (worker.CountedAt != old && (worker.KnowsWebhooks || !byWebhook))
            {
                // Somebody else counted while we waited for our turn.
                return;
            }

            var at = ports.Time.GetTimestamp();
            HashSet<RunId> before;
            lock (worker.Lock)
            {
                // Once asked for, always told apart: records are read once a run, not with every other count.
                byWebhook |= worker.KnowsWebhooks;
                before = [.. worker.Added.Keys.Where(run => !worker.UnderWay.Contains(run))];
            }

            // The time index first: a run that comes due meanwhile stands in the ready index before it leaves this one.
            var listed = new ConcurrentDictionary<RunId, string?>();
            _later = await ListLaterAsync(worker, workerId, cancellationToken);
            foreach (var (runId, origin) in _later)
            {
                if (origin?.WorkerId == workerId)
                {
                    listed[runId] = origin.Webhook;
                }
            }

            await ForEachAsync(ReadyEntry.PrefixOf(workerId), cancellationToken, async (name, token) =>
            {
                if (ReadyEntry.TryParse(name, out var entry))
                {
                    listed[entry.RunId] = byWebhook ? (await FindOriginAsync(worker, workerId, entry.RunId, token))?.Webhook : null;
                }
            });

            lock (worker.Lock)
            {
                // What had its entry before the listings began is listed, or is claimed already; all else may have missed it.
                worker.Added = worker.Added.Where(run => !before.Contains(run.Key)).ToDictionary();
                (worker.Listed, worker.KnowsWebhooks, worker.CountedAt) = (listed, byWebhook, at);
            }
        }
        finally
        {
            worker.Turn.Release();
        }
    }

    private async Task<IReadOnlyDictionary<RunId, Origin?>> ListLaterAsync(Worker worker, string workerId, CancellationToken cancellationToken)
    {
        var listed = new ConcurrentDictionary<RunId, Origin?>();
        await ForEachAsync(LaterEntry.Prefix, cancellationToken, async (name, token) =>
        {
            if (LaterEntry.TryParse(name, out var entry) && !entry.Expires)
            {
                listed[entry.RunId] = await FindOriginAsync(worker, workerId, entry.RunId, token);
            }
        });
        return listed;
    }

    private async Task ForEachAsync(string prefix, CancellationToken cancellationToken, Func<string, CancellationToken, ValueTask> look) => await Parallel.ForEachAsync(
        ports.Blobs.ListAllAsync(prefix, cancellationToken),
        new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
        (blob, token) => look(blob.Name, token));

    /// <summary>The indexes do not say what asked for a run, nor the time index for which worker; each process reads that once a run.</summary>
    private async Task<Origin?> FindOriginAsync(Worker worker, string workerId, RunId runId, CancellationToken cancellationToken)
    {
        lock (worker.Lock)
        {
            if ((worker.KnowsWebhooks && worker.Listed.TryGetValue(runId, out var webhook)) || worker.Added.TryGetValue(runId, out webhook))
            {
                return new(workerId, webhook);
            }
        }

        if (_later.TryGetValue(runId, out var known))
        {
            return known;
        }

        try
        {
            return await records.FindAsync(runId, cancellationToken) is { Record: var record }
                ? new(record.WorkerId, record.Trigger.Kind == TriggerKind.Webhook ? record.Trigger.Name : null)
                : null;
        }
        catch (UnreadableRecordException)
        {
            return null;
        }
    }

    private sealed record Origin(string WorkerId, string? Webhook);

    private sealed class Worker
    {
        /// <summary>Of one count.</summary>
        public SemaphoreSlim Turn { get; } = new(1);

        /// <summary>Of what follows; never held over a call of the store.</summary>
        public Lock Lock { get; } = new();

        public long? CountedAt { get; set; }

        /// <summary>Waiting when it was counted last, each with its webhook if <see cref="KnowsWebhooks"/>.</summary>
        public IReadOnlyDictionary<RunId, string?> Listed { get; set; } = new Dictionary<RunId, string?>();

        public bool KnowsWebhooks { get; set; }

        /// <summary>Taken in by this process and perhaps not listed.</summary>
        public Dictionary<RunId, string?> Added { get; set; } = [];

        public HashSet<RunId> UnderWay { get; } = [];
    }
}

/// <summary>One submission's place among the runs that wait; without a limit it is nothing.</summary>
internal sealed class WaitingPlace(WaitingRuns waiting, RunRecord record, int? mostOfWorker, int? mostOfWebhook) : IDisposable
{
    private bool _taken;
    private bool _kept;

    /// <summary>Whether there is a limit at all.</summary>
    public bool IsLimited => (mostOfWorker ?? mostOfWebhook) is not null;

    /// <summary>Throws <see cref="QueueFullException"/> when a limit is reached. A second call changes nothing.</summary>
    public async Task TakeAsync(CancellationToken cancellationToken)
    {
        if (!_taken && IsLimited)
        {
            await waiting.TakeAsync(record, mostOfWorker, mostOfWebhook, cancellationToken);
            _taken = true;
        }
    }

    /// <summary>The run came to be, unless another submitter made it.</summary>
    public IntakeAnswer Keep(IntakeAnswer answer)
    {
        _kept = answer.Created;
        return answer;
    }

    public void Dispose()
    {
        if (_taken)
        {
            waiting.Release(record, _kept);
        }
    }
}
