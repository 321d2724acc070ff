using System.Collections.Concurrent;
using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Intake;

/// <summary>
/// How many runs wait, for the limits on them. A limit is a dam against floods, so it must cost next to nothing while it is far: the ready index is listed at most
/// once a second and worker, and what this process took in since is added, without gaps. Exact within one process; with several, each may let in what the
/// others took in within that second.
/// </summary>
internal sealed class WaitingRuns(OzPorts ports, RunRecords records)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    /// <summary>A full queue is looked at again sooner: hosts may have made room.</summary>
    private static readonly TimeSpan FreshWhenFull = TimeSpan.FromMilliseconds(200);

    private readonly ConcurrentDictionary<string, Worker> _workers = new(StringComparer.Ordinal);

    /// <summary>Takes a place for a run that is about to be accepted. Throws <see cref="QueueFullException"/> when there is none.</summary>
    public async Task TakeAsync(RunRecord record, int? mostOfWorker, int? mostOfWebhook, CancellationToken cancellationToken)
    {
        var worker = _workers.GetOrAdd(record.WorkerId, _ => new());
        var webhook = record.Trigger.Kind == TriggerKind.Webhook ? record.Trigger.Name : null;
        await worker.Turn.WaitAsync(cancellationToken);
        try
        {
            if (worker.CountedAt is not { } counted || ports.Time.GetElapsedTime(counted) > Fresh)
            {
                await CountAsync(worker, record.WorkerId, mostOfWebhook is not null, cancellationToken);
            }

            var full = FindFull(worker, record, webhook, mostOfWorker, mostOfWebhook);
            if (full is not null && ports.Time.GetElapsedTime(worker.CountedAt!.Value) > FreshWhenFull)
            {
                await CountAsync(worker, record.WorkerId, mostOfWebhook is not null, cancellationToken);
                full = FindFull(worker, record, webhook, mostOfWorker, mostOfWebhook);
            }

            if (full is not null)
            {
                throw full;
            }

            worker.Added[record.RunId] = webhook;
            worker.UnderWay.Add(record.RunId);
        }
        finally
        {
            worker.Turn.Release();
        }
    }

    /// <summary>The run stands in the index now, or it did not come to be.</summary>
    public void Release(RunRecord record, bool accepted)
    {
        if (_workers.TryGetValue(record.WorkerId, out var worker))
        {
            worker.Turn.Wait();
            worker.UnderWay.Remove(record.RunId);
            if (!accepted)
            {
                worker.Added.Remove(record.RunId);
            }

            worker.Turn.Release();
        }
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

    private async Task CountAsync(Worker worker, string workerId, bool byWebhook, CancellationToken cancellationToken)
    {
        var at = ports.Time.GetTimestamp();
        var listed = new Dictionary<RunId, string?>();
        await foreach (var blob in ports.Blobs.ListAllAsync(ReadyEntry.PrefixOf(workerId), cancellationToken))
        {
            if (ReadyEntry.TryParse(blob.Name, out var entry))
            {
                listed[entry.RunId] = byWebhook ? await FindWebhookAsync(worker, entry.RunId, cancellationToken) : null;
            }
        }

        // What is still under way may not be listed yet; the rest of what was added is, or is claimed already.
        worker.Added = worker.Added.Where(run => worker.UnderWay.Contains(run.Key)).ToDictionary();
        worker.Listed = listed;
        worker.CountedAt = at;
        if (byWebhook)
        {
            worker.Known = listed;
        }
    }

    /// <summary>The index does not say what asked for a run; each process reads that once a run.</summary>
    private async Task<string?> FindWebhookAsync(Worker worker, RunId runId, CancellationToken cancellationToken)
    {
        if (worker.Known.TryGetValue(runId, out var webhook) || worker.Added.TryGetValue(runId, out webhook))
        {
            return webhook;
        }

        try
        {
            return await records.FindAsync(runId, cancellationToken) is { Record.Trigger: { Kind: TriggerKind.Webhook, Name: var name } } ? name : null;
        }
        catch (UnreadableRecordException)
        {
            return null;
        }
    }

    private sealed class Worker
    {
        public SemaphoreSlim Turn { get; } = new(1);

        public long? CountedAt { get; set; }

        /// <summary>Ready when it was counted last, each with its webhook.</summary>
        public Dictionary<RunId, string?> Listed { get; set; } = [];

        /// <summary>The last listing that knows webhooks.</summary>
        public Dictionary<RunId, string?> Known { get; set; } = [];

        /// <summary>Taken in by this process since then.</summary>
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
