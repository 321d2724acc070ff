using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Dispatch;

/// <summary>The ready and time indexes: hints that can be rebuilt from the records, so written without conditions.</summary>
public sealed class DispatchIndex(OzPorts ports)
{
    /// <summary>I5: puts the entry that a queued run needs now. Answers whether it is ready.</summary>
    public async Task<bool> PutAsync(RunRecord record, CancellationToken cancellationToken)
    {
        if (WaitsUntil(record) is { } due && due > ports.Time.GetUtcNow())
        {
            // One that stands there says the same.
            await ports.Blobs.TryCreateAsync(LaterEntry.ReadyAt(record.RunId, due).Name, ReadOnlyMemory<byte>.Empty, LaterEntry.MetadataOf(record), cancellationToken);
            return false;
        }

        await ports.Blobs.PutAsync(ReadyEntry.Of(record).Name, ReadOnlyMemory<byte>.Empty, cancellationToken);
        return true;
    }

    /// <summary>Puts the entry that ends the run when it has not started by then.</summary>
    public async Task PutExpiryAsync(RunId runId, DateTimeOffset expiresAt, CancellationToken cancellationToken) =>
        await ports.Blobs.PutAsync(LaterEntry.ExpiresAt(runId, expiresAt).Name, ReadOnlyMemory<byte>.Empty, cancellationToken);

    /// <summary>Removes every entry that a run may have. Names carry <c>retry_at</c>, so a record that ended while it waited for a retry keeps it.</summary>
    public async Task RemoveAsync(RunRecord record, CancellationToken cancellationToken)
    {
        if (record.RetryAt is not null)
        {
            // Of a claim that was lost before C7.
            await RemoveAsync(ReadyEntry.Of(record with { RetryAt = null }).Name, cancellationToken);
        }

        await RemoveAsync(ReadyEntry.Of(record).Name, cancellationToken);
        if (WaitsUntil(record) is { } due)
        {
            await RemoveAsync(LaterEntry.ReadyAt(record.RunId, due).Name, cancellationToken);
        }

        if (record.Request.ExpiresAt is { } expires)
        {
            await RemoveAsync(LaterEntry.ExpiresAt(record.RunId, expires).Name, cancellationToken);
        }
    }

    public async Task RemoveAsync(string name, CancellationToken cancellationToken) =>
        await ports.Blobs.TryDeleteAsync(name, match: null, cancellationToken);

    /// <summary>Until when a queued run may not be claimed; null: at once.</summary>
    internal static DateTimeOffset? WaitsUntil(RunRecord record) =>
        record.RetryAt is { } retry && !(record.Request.NotBefore > retry) ? retry : record.Request.NotBefore;
}
