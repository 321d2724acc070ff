using System.Collections.Concurrent;
using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Intake;

/// <summary>
/// How many runs wait, for the limits on them: those that are ready, and those whose time is ahead (<c>not_before</c>, <c>retry_at</c>), else a flood would pass the
/// dam by coming a second later. It must cost next to nothing while the limit is far: the indexes are listed at most once a second and worker (five times while it is full), records are read
/// only where all those names could fill it, and what this process took in since is added, without gaps. Exact within one process; with several, each may let in what the
/// others took in within that second.
/// </summary>
internal sealed class WaitingRuns(OzPorts ports, RunRecords records)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>A full queue is looked at again sooner: hosts may have made room.</summary>
    private static readonly TimeSpan FreshWhenFull = TimeSpan.FromMilliseconds(200);

    /// <summary>Records read at once: hides a store's latency.</summary>
    private const int AtOnce = 16;

    private readonly ConcurrentDictionary<string, Worker> _workers = new(StringComparer.Ordinal);

    /// <summary>Of those of the time index of which it is known, of all workers; a run whose record nobody can read is nobody's. Forgetting one costs a read.</summary>
    private readonly ConcurrentDictionary<RunId, Origin?> _later = new();

    /// <summary>Takes a place for a run that is about to be accepted. Throws <see cref="QueueFullException"/> when there is none.</summary>
    public async Task TakeAsync(RunRecord record, int? mostOfWorker, int? mostOfWebhook, CancellationToken cancellationToken)
    {
        var worker = _workers.GetOrAdd(record.WorkerId, _ => new());
        var webhook = record.Trigger.Kind == TriggerKind.Webhook ? record.Trigger.Name : null;
        var came = ports.Time.GetTimestamp();
        while (!TryTake(worker, record, webhook, mostOfWorker, mostOfWebhook, came, out var counted))
        {
            await CountAsync(worker, record.WorkerId, counted, mostOfWorker, mostOfWebhook, cancellationToken);
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
            if (counted is not { } at || IsTooOld(at, Fresh))
            {
                return false;
            }

            if (FindFull(worker, record, webhook, mostOfWorker, mostOfWebhook) is { } full)
            {
                return IsTooOld(at, FreshWhenFull) ? false : throw full;
            }

            // As if all were this worker's and this webhook's; there is room even then, or the records must say.
            var most = CountCertain(worker) + worker.Unknown;
            if ((worker.Unknown > 0 && most >= mostOfWorker) || (!worker.KnowsWebhooks && most >= mostOfWebhook))
            {
                return false;
            }

            worker.Added[record.RunId] = webhook;
            worker.UnderWay.Add(record.RunId);
            return true;
        }

        bool IsTooOld(long at, TimeSpan fresh) => at < came && ports.Time.GetElapsedTime(at) > fresh;
    }

    private static QueueFullException? FindFull(Worker worker, RunRecord record, string? webhook, int? mostOfWorker, int? mostOfWebhook)
    {
        if (mostOfWorker is { } most && CountCertain(worker) >= most)
        {
            return QueueFullException.OfWorker(record.WorkerId, most);
        }

        return webhook is not null && mostOfWebhook is { } mine
            && worker.Listed.Concat(worker.Added.Where(run => !worker.Listed.ContainsKey(run.Key))).Count(run => run.Value == webhook) >= mine
            ? QueueFullException.OfWebhook(webhook, mine)
            : null;
    }

    private static int CountCertain(Worker worker) => worker.Listed.Count + worker.Added.Keys.Count(run => !worker.Listed.ContainsKey(run));

    /// <summary>Lists, one caller at a time and nobody held up but those who need the count.</summary>
    private async Task CountAsync(Worker worker, string workerId, long? old, int? mostOfWorker, int? mostOfWebhook, CancellationToken cancellationToken)
    {
        await worker.Turn.WaitAsync(cancellationToken);
        try
        {
            if (worker.CountedAt != old)
            {
                // Somebody else counted while we waited for our turn.
                return;
            }

            var at = ports.Time.GetTimestamp();
            HashSet<RunId> before;
            lock (worker.Lock)
            {
                before = [.. worker.Added.Keys.Where(run => !worker.UnderWay.Contains(run))];
            }

            // The time index first: a run that comes due meanwhile stands in the ready index before it leaves this one.
            var later = await ListAsync(LaterEntry.Prefix, name => LaterEntry.TryParse(name, out var entry) && !entry.Expires ? entry.RunId : null, cancellationToken);
            var ready = await ListAsync(ReadyEntry.PrefixOf(workerId), name => ReadyEntry.TryParse(name, out var entry) ? entry.RunId : null, cancellationToken);
            foreach (var run in _later.Keys.Where(run => !later.Contains(run)))
            {
                _later.TryRemove(run, out _);
            }

            var listed = new ConcurrentDictionary<RunId, string?>(ready.Select(run => KeyValuePair.Create(run, (string?)null)));
            HashSet<RunId> unknown = [];
            bool byWebhook;
            bool byWorker;
            lock (worker.Lock)
            {
                foreach (var run in later)
                {
                    if (TryFindKnown(worker, workerId, run, out var origin))
                    {
                        NoteLater(run, origin);
                    }
                    else if (!ready.Contains(run))
                    {
                        unknown.Add(run);
                    }
                }

                // Records are read where a limit may be reached. Once asked for, webhooks are always told apart: that is read once a run, not with every other count.
                var most = listed.Count + unknown.Count + worker.Added.Keys.Count(run => !listed.ContainsKey(run));
                byWebhook = worker.KnowsWebhooks || most >= mostOfWebhook;
                byWorker = byWebhook || (most >= mostOfWorker && listed.Count < mostOfWorker);
            }

            if (byWorker)
            {
                await ForEachAsync(unknown, cancellationToken, async (run, token) => NoteLater(run, await FindOriginAsync(worker, workerId, run, token)));
                unknown.Clear();
            }

            if (byWebhook)
            {
                await ForEachAsync(ready, cancellationToken, async (run, token) => listed[run] = (await FindOriginAsync(worker, workerId, run, token))?.Webhook);
            }

            lock (worker.Lock)
            {
                // What had its entry before the listings began is listed, or is claimed already; all else may have missed it.
                worker.Added = worker.Added.Where(run => !before.Contains(run.Key)).ToDictionary();
                (worker.Listed, worker.Unknown, worker.KnowsWebhooks, worker.CountedAt) = (listed, unknown.Count, byWebhook, at);
            }

            void NoteLater(RunId run, Origin? origin)
            {
                _later[run] = origin;
                if (origin?.WorkerId == workerId)
                {
                    listed[run] = origin.Webhook;
                }
            }
        }
        finally
        {
            worker.Turn.Release();
        }
    }

    private async Task<HashSet<RunId>> ListAsync(string prefix, Func<string, RunId?> parse, CancellationToken cancellationToken)
    {
        var runs = new HashSet<RunId>();
        await foreach (var blob in ports.Blobs.ListAllAsync(prefix, cancellationToken))
        {
            if (parse(blob.Name) is { } run)
            {
                runs.Add(run);
            }
        }

        return runs;
    }

    private static async Task ForEachAsync(HashSet<RunId> runs, CancellationToken cancellationToken, Func<RunId, CancellationToken, ValueTask> look) =>
        await Parallel.ForEachAsync(runs, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, look);

    /// <summary>The indexes do not say what asked for a run, nor the time index for which worker; each process reads that once a run, and only when it matters.</summary>
    private async Task<Origin?> FindOriginAsync(Worker worker, string workerId, RunId runId, CancellationToken cancellationToken)
    {
        if (TryFindKnown(worker, workerId, runId, out var known))
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

    private bool TryFindKnown(Worker worker, string workerId, RunId runId, out Origin? origin)
    {
        lock (worker.Lock)
        {
            if ((worker.KnowsWebhooks && worker.Listed.TryGetValue(runId, out var webhook)) || worker.Added.TryGetValue(runId, out webhook))
            {
                origin = new(workerId, webhook);
                return true;
            }
        }

        return _later.TryGetValue(runId, out origin);
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

        /// <summary>So many more of the time index may be this worker's: their records were not read.</summary>
        public int Unknown { get; set; }

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
