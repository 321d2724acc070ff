using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Settlement;

namespace OzFunctions.Cancelling;

/// <summary>X1 to X4: a cancel is a durable wish in the record; queued runs end at once, owned ones through their host.</summary>
public sealed class RunCancels(OzPorts ports, RunRecords records, DispatchIndex index, RunEnding ending, EventOutbox outbox, HostSignals signals)
{
    public async Task<CancelAnswer> CancelAsync(RunId runId, string by, string? reason, CancellationToken cancellationToken)
    {
        var asked = new RunCancel(by, DateTimeOffset.FromUnixTimeMilliseconds(ports.Time.GetUtcNow().ToUnixTimeMilliseconds()), reason);
        var mine = false;
        var update = await records.UpdateAsync(
            runId,
            null,
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
                    ? ending.End(record, RunReason.TaskCancelled, RunEnding.CancelMessage(record.Cancel))
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
            await outbox.PublishAsync(run, cancellationToken);
            return new(CancelResult.Cancelled, run.Record);
        }

        ports.Probe.Passed(ProtocolStep.X2, runId);
        await signals.AddCancelAsync(run.Record.Owner!.HostId, runId, cancellationToken);
        return new(CancelResult.Requested, run.Record);
    }

    /// <summary>For <c>on_conflict: cancel_previous</c>: runs of the same key that were asked for earlier and still wait.</summary>
    public async Task CancelQueuedBeforeAsync(RunRecord newer, CancellationToken cancellationToken)
    {
        var key = ReadyEntry.Of(newer).Key;
        await foreach (var blob in ports.Blobs.ListAllAsync(ReadyEntry.PrefixOf(newer.WorkerId), cancellationToken))
        {
            if (ReadyEntry.TryParse(blob.Name, out var entry) && entry.Key == key && entry.RunId != newer.RunId)
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
            && string.CompareOrdinal(record.RunId.Value, newer.RunId.Value) < 0 && !record.State.IsTerminal())
        {
            await CancelAsync(runId, "run " + newer.RunId, "a newer run has the same concurrency key", cancellationToken);
        }
    }
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
