using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Settlement;

/// <summary>
/// What runs owe, as the store has it: <c>outbox[]</c> in the record, and the marker <c>active/</c> beside it, whose end is the "published" mark (S11). They are written in
/// an order by which a record that owes something never loses its marker.
/// </summary>
internal sealed class OwedEvents(OzPorts ports, RunRecords records, OwedPublishers owing, OwedWaits waits)
{
    /// <summary>The marker of a run, to be read before its record (<see cref="EventOutbox.FindMarkerAsync"/>). Null: nothing is owed.</summary>
    public async Task<ETag?> FindMarkerAsync(RunId runId, CancellationToken cancellationToken) =>
        (await ports.Blobs.FindEntryAsync(RunBlobs.Active(runId), cancellationToken))?.ETag;

    /// <summary>
    /// Owes an ended run's event again. It is durable when this answers: the marker first, then the record, so that a tick finds both or neither; then the marker again. Null: the run has
    /// not ended, is gone, or has no event; then nothing is left of it.
    /// </summary>
    public async Task<StoredRun?> OweAgainAsync(RunId runId, IReadOnlyList<string> publishers, CancellationToken cancellationToken)
    {
        if (await records.FindAsync(runId, cancellationToken) is not { Record: { Event: not null } found } run || !found.State.IsTerminal())
        {
            return null;
        }

        var again = await owing.FindAgainAsync(found.WorkerId, publishers, cancellationToken);

        // Looked for after the record was read: without a marker all was sent that stands in this version, and in this one only. A later one is of somebody who owes the event again, as we do.
        var owed = await FindMarkerAsync(runId, cancellationToken) is not null;
        await PutMarkerAsync(runId, cancellationToken);
        var update = await records.UpdateAsync(
            runId,
            run,
            record =>
            {
                var isPast = !owed && ReferenceEquals(record, found);
                OutboxEntry[] next = [.. (record.Outbox ?? []).Where(entry => !isPast && !publishers.Contains(entry.Publisher)), .. again];

                // Also where the record says so already: who read that version, and no marker, must find another one.
                return RecordDecision.Write(record with { Outbox = next });
            },
            cancellationToken);
        if (!update.IsDone)
        {
            return null;
        }

        // Who read the first one before this record was written takes it away for what the record said then: not this one.
        await PutMarkerAsync(runId, cancellationToken);
        return update.Run;
    }

    /// <summary>
    /// Writes what came of tries, and answers what is owed then. Empty: the marker is to go (<see cref="SettleAsync"/>). Where the results leave nothing, the record is not written:
    /// the marker is all that is to be.
    /// </summary>
    public async Task<IReadOnlyList<OutboxEntry>> NoteAsync(StoredRun run, IReadOnlyList<SendResult> results, CancellationToken cancellationToken)
    {
        if (results.Count(result => result.Next is null) >= (run.Record.Outbox ?? []).Count)
        {
            return [];
        }

        var update = await records.UpdateAsync(run.Record.RunId, run, record => Decide(record, results), cancellationToken);
        return update.Run?.Record.Outbox ?? [];
    }

    /// <summary>Writes what came of a try at one publisher; where it was the last that is owed, the marker goes instead.</summary>
    /// <param name="marker">Read before <paramref name="run"/>; null: there was none.</param>
    public async Task NoteOrSettleAsync(StoredRun run, ETag? marker, SendResult result, CancellationToken cancellationToken)
    {
        var last = false;
        await records.UpdateAsync(
            run.Record.RunId,
            run,
            record =>
            {
                // The last one: the marker is all that is to be written.
                last = result.Next is null && (record.Outbox ?? []).All(owed => owed.Publisher == result.Publisher);
                return last ? RecordDecision.Done : Decide(record, [result]);
            },
            cancellationToken);
        if (last && marker is { } read)
        {
            await SettleAsync(run.Record.RunId, read, [result], cancellationToken);
        }
    }

    /// <summary>Takes the marker away. False: somebody wrote it again, so something is owed.</summary>
    /// <param name="marker">Read before the record that owes nothing any more.</param>
    /// <param name="results">The last ones, which the record need not say when the marker goes.</param>
    public async Task<bool> SettleAsync(RunId runId, ETag marker, IReadOnlyList<SendResult> results, CancellationToken cancellationToken)
    {
        var done = await ports.Blobs.TryDeleteAsync(RunBlobs.Active(runId), marker, cancellationToken);
        ports.Probe.Passed(ProtocolStep.S11, runId);
        waits.Forget(runId);
        if (!done)
        {
            // Somebody wrote the marker again meanwhile (a repeated intake, an event that is owed again); the tick looks once more, and finds what was sent no longer owed.
            await records.UpdateAsync(runId, null, record => Decide(record, results), cancellationToken);
        }

        return done;
    }

    private Task PutMarkerAsync(RunId runId, CancellationToken cancellationToken) =>
        ports.Blobs.PutAsync(RunBlobs.Active(runId), ReadOnlyMemory<byte>.Empty, cancellationToken);

    private static RecordDecision Decide(RunRecord record, IReadOnlyList<SendResult> results)
    {
        OutboxEntry[] next = [.. (record.Outbox ?? []).Select(entry => results.FirstOrDefault(result => result.IsOf(entry)) is { } result ? result.Next : entry).OfType<OutboxEntry>()];
        return record.Outbox is null || record.Outbox.SequenceEqual(next) ? RecordDecision.Done : RecordDecision.Write(record with { Outbox = next });
    }
}

/// <summary>What a publisher's entry becomes; null: it goes.</summary>
/// <param name="Tried">The entry as it stood while it was tried in vain: one that somebody owed again meanwhile has nothing to do with that. Null: whatever is there now.</param>
internal sealed record SendResult(string Publisher, OutboxEntry? Next, OutboxEntry? Tried)
{
    public bool IsOf(OutboxEntry entry) => entry.Publisher == Publisher && (Tried is null || (Tried.Tries, Tried.NextAt) == (entry.Tries, entry.NextAt));
}
