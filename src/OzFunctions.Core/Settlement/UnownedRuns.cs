using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Settlement;

/// <summary>Ends runs that nobody owns: expired ones, and those with a cancel found while they wait.</summary>
public sealed class UnownedRuns(OzPorts ports, RunRecords records, DispatchIndex index, ConcurrencyLocks locks, RunEnding ending, EventOutbox outbox)
{
    /// <summary>Ends the run if it still waits. False: somebody else was first.</summary>
    public async Task<bool> TryEndAsync(StoredRun run, RunReason reason, string message, CancellationToken cancellationToken)
    {
        var owed = await ending.OwedAsync(run.Record.WorkerId, cancellationToken);
        var marker = await outbox.FindMarkerAsync(run.Record.RunId, cancellationToken);
        var mine = false;
        var update = await records.UpdateAsync(
            run.Record.RunId,
            run,
            record =>
            {
                if (mine && record.State.IsTerminal() && record.Reason == reason && record.Owner == run.Record.Owner)
                {
                    return RecordDecision.Done;
                }

                if (record.State != RunState.Queued)
                {
                    return RecordDecision.Refuse;
                }

                mine = true;
                return RecordDecision.Write(ending.End(record, reason, message, owed));
            },
            cancellationToken);
        if (!update.IsDone)
        {
            return false;
        }

        await FinishAsync(update.Run!, marker, cancellationToken);
        return true;
    }

    /// <summary>Puts the index entry of a run that waits, and rings when it is ready.</summary>
    public async Task PutBackAsync(RunRecord record, CancellationToken cancellationToken)
    {
        if (await index.PutAsync(record, cancellationToken))
        {
            await ports.Bell.RingAsync(record.WorkerId, record.RunId, cancellationToken);
        }
    }

    /// <summary>What is owed after a terminal write: entries, what an attempt held of its key, event, marker. The marker last: until it is gone the tick does the rest.</summary>
    /// <param name="marker">Read before that write.</param>
    public async Task FinishAsync(StoredRun run, ETag? marker, CancellationToken cancellationToken)
    {
        ports.Probe.Passed(ProtocolStep.S7, run.Record.RunId);
        await index.RemoveAsync(run.Record, cancellationToken);
        await locks.ReleaseAsync(run.Record, cancellationToken);
        await outbox.PublishAsync(run, marker, cancellationToken);
    }
}
