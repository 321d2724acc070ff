using OzFunctions.Blobs;
using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Webhooks.Deliveries;

namespace OzFunctions.Retention;

/// <summary>
/// Removes an ended run and all that is kept of it: its idempotency key first, artifacts and logs, the record last (protocol T6). Stopped anywhere, what remains is found by its
/// record and removed the next time; a repeated step changes nothing.
/// </summary>
public sealed class RunRemoval(OzPorts ports, RunRecords records)
{
    /// <summary>A repeat of a request may come for as long; only a key that stands can answer it.</summary>
    private static readonly TimeSpan KeyStands = TimeSpan.FromDays(1);

    /// <summary>Senders of webhooks, and people at their pages, send again for days: for as long as the log of deliveries remembers one.</summary>
    private static readonly TimeSpan WebhookKeyStands = DeliveryLog.Kept;

    /// <summary>So many files are deleted at a time: each is a call to a store that may be far away.</summary>
    private const int FilesAtOnce = 8;

    /// <summary>Removes the run whole, however many files it has.</summary>
    public Task<RemovalAnswer> RemoveAsync(RunId runId, CancellationToken cancellationToken) => RemoveAsync(runId, new FileBudget(int.MaxValue), cancellationToken);

    /// <summary>Removes the run, or of one with more files than there is <paramref name="budget"/> for, so many of them.</summary>
    internal async Task<RemovalAnswer> RemoveAsync(RunId runId, FileBudget budget, CancellationToken cancellationToken)
    {
        if (await records.FindAsync(runId, cancellationToken) is not { } run)
        {
            return new(RemovalResult.NotFound, null);
        }

        if (!run.Record.State.IsTerminal())
        {
            return new(RemovalResult.NotOver, run.Record);
        }

        // Until the marker is gone something is owed: an event, or an owner that still cleans up.
        if (await ports.Blobs.FindEntryAsync(RunBlobs.Active(runId), cancellationToken) is not null)
        {
            return new(RemovalResult.Owed, run.Record);
        }

        var key = await FindKeyAsync(run.Record, cancellationToken);
        var stands = run.Record.Trigger.Kind == TriggerKind.Webhook ? WebhookKeyStands : KeyStands;
        if (key is { Age: var age } && age < stands)
        {
            return new(RemovalResult.KeyTooYoung, run.Record) { Wait = stands - age };
        }

        if (key is not null)
        {
            // First: a repeat that comes now begins anew; it is not answered with a run that is half gone, nor led to one that is gone.
            await ports.Blobs.TryDeleteAsync(key.Name, key.ETag, cancellationToken);
        }

        var (files, bytes, all) = await RemoveFilesAsync(runId, budget, cancellationToken);
        if (!all)
        {
            return new(RemovalResult.Unfinished, run.Record) { Files = files, Bytes = bytes };
        }

        // Somebody wrote the record meanwhile, to send its event again: it stays until the next time.
        return await records.TryRemoveAsync(run, cancellationToken)
            ? new(RemovalResult.Removed, run.Record) { Files = files, Bytes = bytes }
            : new(RemovalResult.Owed, run.Record);
    }

    private async Task<(int Files, long Bytes, bool All)> RemoveFilesAsync(RunId runId, FileBudget budget, CancellationToken cancellationToken)
    {
        var (files, bytes, all) = (0, 0L, true);
        await Parallel.ForEachAsync(
            TakeAsync(), new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = cancellationToken },
            async (entry, token) => await ports.Blobs.TryDeleteAsync(entry.Name, match: null, token));
        return (files, bytes, all);

        async IAsyncEnumerable<BlobEntry> TakeAsync()
        {
            await foreach (var entry in ports.Blobs.ListAllAsync(RunBlobs.DataOf(runId), cancellationToken))
            {
                if (!budget.TryTake())
                {
                    all = false;
                    yield break;
                }

                (files, bytes) = (files + 1, bytes + entry.Length);
                yield return entry;
            }
        }
    }

    /// <summary>The key blob that leads to this very run; null: there is none.</summary>
    private async Task<Blob?> FindKeyAsync(RunRecord record, CancellationToken cancellationToken)
    {
        // Records of 0.1.0 do not say their key; only these two kinds were made then.
        var hash = record.KeySha256 ?? (record.Trigger.Kind switch
        {
            TriggerKind.Cli => IntakeKeys.Cli(record.Request.IdempotencyKey),
            TriggerKind.Queue when (record.Request.IdempotencyKey ?? record.Trigger.DeliveryId) is { } id => IntakeKeys.Queue(record.Trigger.Name ?? "", id),
            _ => null,
        } is { } key ? RunBlobs.Hash(key) : null);
        return hash is not null && await ports.Blobs.FindAsync(RunBlobs.Key(hash), cancellationToken) is { } blob && KeyBlob.FindRun(blob.Content) == record.RunId ? blob : null;
    }
}

/// <summary>What became of a removal.</summary>
public enum RemovalResult
{
    Removed,
    NotFound,

    /// <summary>The run has not ended.</summary>
    NotOver,

    /// <summary>Its completion event is still owed to somebody, or its host still cleans up.</summary>
    Owed,

    /// <summary>Its idempotency key must answer repeats a while longer.</summary>
    KeyTooYoung,

    /// <summary>Files of it are left, and with them its record, by which the next time finds them.</summary>
    Unfinished,
}

/// <summary>What became of a removal, with the record as it was.</summary>
public sealed record RemovalAnswer(RemovalResult Result, RunRecord? Run)
{
    /// <summary>Blobs of its attempts that were removed, and their bytes.</summary>
    public int Files { get; init; }

    public long Bytes { get; init; }

    /// <summary>How long the key must stand yet.</summary>
    public TimeSpan Wait { get; init; }
}
