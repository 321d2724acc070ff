using System.Collections.Concurrent;
using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Settlement;

namespace OzFunctions.Cancelling;

/// <summary>X1 to X4: a cancel is a durable wish in the record; queued runs end at once, owned ones through their host.</summary>
public sealed class RunCancels(OzPorts ports, RunRecords records, DispatchIndex index, ConcurrencyLocks locks, RunEnding ending, EventOutbox outbox, HostSignals signals)
{
    /// <summary>How many runs are read or written at once when all are cancelled: enough to hide a store's latency, few enough for any store.</summary>
    private const int AtOnce = 16;

    /// <summary>A run that is accepted or claimed while all are cancelled is met in the next round; who goes on submitting is to be paused first.</summary>
    private const int MostRounds = 3;

    /// <summary>What is wrong with the name of the worker whose runs are to be cancelled; null when it is fine. An empty one was to be a name: it must not mean everybody.</summary>
    public static string? FindWorkerFault(string workerId) => workerId.Length == 0 ? "is empty; leave it out to cancel the runs of every worker" : WorkerIdRule.FindFault(workerId);

    public async Task<CancelAnswer> CancelAsync(RunId runId, string by, string? reason, CancellationToken cancellationToken)
    {
        var answer = await WishAsync(runId, null, by, reason, cancellationToken);
        if (answer is { Result: CancelResult.Requested, Run.Owner: { } owner })
        {
            await signals.AddCancelsAsync(owner.HostId, [runId], cancellationToken);
        }

        return answer;
    }

    /// <summary>
    /// Cancels every run that is not over. Costs what is open, not what the store remembers: walks the markers of unfinished runs, writes several records
    /// at once (those that wait first, so that no host takes them meanwhile), and tells each host once.
    /// </summary>
    /// <param name="workerId">Only runs of this worker; null: of all.</param>
    /// <param name="unreadable">Told of each record that cannot be read; the others are cancelled all the same.</param>
    public async Task<IReadOnlyList<CancelAnswer>> CancelAllAsync(
        string? workerId, string by, string? reason, Action<UnreadableRecordException>? unreadable, CancellationToken cancellationToken)
    {
        var answers = new List<CancelAnswer>();
        var seen = new HashSet<RunId>();
        for (var round = 0; round < MostRounds; round++)
        {
            var fresh = new List<RunId>();
            await foreach (var marker in ports.Blobs.ListAllAsync(RunBlobs.ActivePrefix, cancellationToken))
            {
                if (RunId.TryParse(marker.Name[RunBlobs.ActivePrefix.Length..], out var runId) && seen.Add(runId))
                {
                    fresh.Add(runId);
                }
            }

            var open = await FindOpenAsync(fresh, workerId, unreadable, cancellationToken);
            if (open.Count == 0)
            {
                break;
            }

            // Those that wait first: what is cancelled here, no host takes while the others are stopped.
            answers.AddRange(await WishAsync([.. open.Where(run => run.Record.State == RunState.Queued)], by, reason, cancellationToken));
            answers.AddRange(await WishAsync([.. open.Where(run => run.Record.State != RunState.Queued)], by, reason, cancellationToken));
        }

        return [.. answers.Where(answer => answer.Run is not null)];
    }

    private async Task<IReadOnlyList<StoredRun>> FindOpenAsync(
        IReadOnlyList<RunId> runs, string? workerId, Action<UnreadableRecordException>? unreadable, CancellationToken cancellationToken)
    {
        var open = new ConcurrentQueue<StoredRun>();
        var broken = new ConcurrentQueue<UnreadableRecordException>();
        await Parallel.ForEachAsync(
            runs,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (runId, cancellationToken) =>
            {
                try
                {
                    if (await records.FindAsync(runId, cancellationToken) is { } run && !run.Record.State.IsTerminal() && (workerId is null || run.Record.WorkerId == workerId))
                    {
                        open.Enqueue(run);
                    }
                }
                catch (UnreadableRecordException ex)
                {
                    broken.Enqueue(ex);
                }
            });
        foreach (var ex in broken)
        {
            unreadable?.Invoke(ex);
        }

        return [.. open.OrderBy(run => run.Record.RunId.Value, StringComparer.Ordinal)];
    }

    /// <summary>Writes the wish into several records, then tells each host of all its runs at once.</summary>
    private async Task<IReadOnlyList<CancelAnswer>> WishAsync(IReadOnlyList<StoredRun> runs, string by, string? reason, CancellationToken cancellationToken)
    {
        var answers = new CancelAnswer[runs.Count];
        try
        {
            await Parallel.ForEachAsync(
                Enumerable.Range(0, runs.Count),
                new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
                async (i, cancellationToken) => answers[i] = await WishAsync(runs[i].Record.RunId, runs[i], by, reason, cancellationToken));
        }
        finally
        {
            // Also when one of them failed: what is written is wished for, and its host need not wait for its next heartbeat.
            foreach (var host in answers.Where(answer => answer is { Result: CancelResult.Requested, Run.Owner: not null }).GroupBy(answer => answer.Run!.Owner!.HostId))
            {
                await signals.AddCancelsAsync(host.Key, [.. host.Select(answer => answer.Run!.RunId)], cancellationToken);
            }
        }

        return answers;
    }

    /// <summary>The durable part: the wish in the record, and the end of a run that waits. An owner is not told yet.</summary>
    private async Task<CancelAnswer> WishAsync(RunId runId, StoredRun? known, string by, string? reason, CancellationToken cancellationToken)
    {
        var asked = new RunCancel(by, ports.Time.GetWireTime(), reason);
        known ??= await records.FindAsync(runId, cancellationToken);
        if (known is null)
        {
            return new(CancelResult.NotFound, null);
        }

        var owed = await ending.OwedAsync(known.Record.WorkerId, cancellationToken);
        var marker = known.Record.State == RunState.Queued ? await outbox.FindMarkerAsync(runId, cancellationToken) : null;
        var mine = false;
        var update = await records.UpdateAsync(
            runId,
            known,
            record =>
            {
                if (record.State.IsTerminal())
                {
                    // My own write, its answer lost, is success; anybody else's end is "already finished".
                    return mine && record.Cancel == asked && record.State == RunState.Cancelled ? RecordDecision.Done : RecordDecision.Refuse;
                }

                if (record.State.IsOwned() && record.Cancel is not null)
                {
                    return RecordDecision.Done;
                }

                mine = true;
                record = record with { Cancel = record.Cancel ?? asked };
                return RecordDecision.Write(record.State == RunState.Queued
                    ? ending.End(record, RunReason.TaskCancelled, RunEnding.CancelMessage(record.Cancel), owed)
                    : record);
            },
            cancellationToken);

        switch (update)
        {
            case { Answer: RecordAnswer.Absent }:
                return new(CancelResult.NotFound, null);
            case { Answer: RecordAnswer.Refused, Run: { } finished }:
                return new(CancelResult.AlreadyFinished, finished.Record);
        }

        var run = update.Run!;
        if (run.Record.State.IsTerminal())
        {
            ports.Probe.Passed(ProtocolStep.X1, runId);
            await index.RemoveAsync(run.Record, cancellationToken);
            await locks.ReleaseAsync(run.Record, cancellationToken);
            await (marker is null ? outbox.PublishAsync(runId, cancellationToken) : outbox.PublishAsync(run, marker, cancellationToken));
            return new(CancelResult.Cancelled, run.Record);
        }

        ports.Probe.Passed(ProtocolStep.X2, runId);
        return new(CancelResult.Requested, run.Record);
    }

    /// <summary>
    /// For <c>on_conflict: cancel_previous</c>: runs of the same key that were asked for earlier and still wait, also for a time ahead. Both indexes tell worker and key:
    /// only runs of that key are read, and those of which an older version left an entry in the time index.
    /// </summary>
    public async Task CancelQueuedBeforeAsync(RunRecord newer, CancellationToken cancellationToken)
    {
        // The time index first: a run that comes due meanwhile stands in the ready index before it leaves this one.
        var later = new List<RunId>();
        await foreach (var blob in ports.Blobs.ListAllAsync(LaterEntry.Prefix, cancellationToken))
        {
            if (LaterEntry.TryParse(blob.Name, out var entry) && !entry.Expires && IsOlder(entry.RunId, newer) && LaterEntry.MayBeLike(blob, newer))
            {
                later.Add(entry.RunId);
            }
        }

        await Parallel.ForEachAsync(
            later,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (runId, cancellationToken) => await CancelWhenOlderAsync(runId, newer, cancellationToken));

        var key = ReadyEntry.Of(newer).Key;
        await foreach (var blob in ports.Blobs.ListAllAsync(ReadyEntry.PrefixOf(newer.WorkerId), cancellationToken))
        {
            if (ReadyEntry.TryParse(blob.Name, out var entry) && entry.Key == key && IsOlder(entry.RunId, newer))
            {
                await CancelWhenOlderAsync(entry.RunId, newer, cancellationToken);
            }
        }
    }

    /// <summary>Cancels one run of the same key unless it was asked for later than <paramref name="newer"/>.</summary>
    public async Task CancelWhenOlderAsync(RunId runId, RunRecord newer, CancellationToken cancellationToken)
    {
        StoredRun? older;
        try
        {
            older = await records.FindAsync(runId, cancellationToken);
        }
        catch (UnreadableRecordException)
        {
            // Whoever lists it names it; the newer run is not to suffer from it.
            return;
        }

        if (older is { Record: var record }
            && record.Request.ConcurrencyKey == newer.Request.ConcurrencyKey && record.WorkerId == newer.WorkerId
            && IsOlder(record.RunId, newer) && !record.State.IsTerminal())
        {
            await CancelAsync(runId, "run " + newer.RunId, "a newer run has the same concurrency key", cancellationToken);
        }
    }

    /// <summary>Ids are in the order in which runs were asked for.</summary>
    private static bool IsOlder(RunId runId, RunRecord newer) => string.CompareOrdinal(runId.Value, newer.RunId.Value) < 0;
}

/// <summary>What a cancel came to; <see cref="Run"/> is the record as it stands.</summary>
public sealed record CancelAnswer(CancelResult Result, RunRecord? Run);

public enum CancelResult
{
    NotFound,

    /// <summary>It was waiting and is CANCELLED now.</summary>
    Cancelled,

    /// <summary>Its host was told; it ends within seconds.</summary>
    Requested,

    AlreadyFinished,
}
