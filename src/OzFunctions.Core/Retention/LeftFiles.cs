using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Retention;

/// <summary>
/// Files of attempts whose record is gone: a host that was away while its run was removed may still write some when it comes back. Looked for once a day, a few at a time, among those of
/// runs that were asked for before the time that ended ones are kept.
/// </summary>
internal sealed class LeftFiles(IBlobStore blobs, RunRecords records, TimeProvider time)
{
    private const int AtOnce = 100;

    private static readonly TimeSpan Pause = TimeSpan.FromDays(1);

    /// <summary>By the store's clock. A run that is sent here from a spool has its files before its record.</summary>
    private static readonly TimeSpan LeftAfter = TimeSpan.FromDays(1);

    private string? _continuation;
    private long? _walked;

    /// <summary>Removes some of them; answers how many.</summary>
    /// <param name="kept">How long ended runs are kept.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<(int Files, long Bytes)> RemoveAsync(TimeSpan kept, CancellationToken cancellationToken)
    {
        if (_continuation is null && _walked is { } walked && time.GetElapsedTime(walked) < Pause)
        {
            return (0, 0);
        }

        var (files, bytes) = (0, 0L);
        var page = await blobs.ListAsync(RunBlobs.DataPrefix, _continuation, AtOnce, cancellationToken);
        var next = page.Continuation;
        var before = (time.GetUtcNow() - kept).ToUnixTimeMilliseconds();
        (RunId RunId, bool HasRecord)? last = null;
        foreach (var entry in page.Entries)
        {
            if (!RunBlobs.TryParseData(entry.Name, out var runId))
            {
                continue;
            }

            if (runId.Milliseconds >= before)
            {
                // Ids are in the order in which runs were asked for: all that follow are younger.
                next = null;
                break;
            }

            if (last?.RunId != runId)
            {
                last = (runId, await records.ExistsAsync(runId, cancellationToken));
            }

            if (!last.Value.HasRecord && entry.Age > LeftAfter && await TryRemoveAsync(entry, cancellationToken))
            {
                (files, bytes) = (files + 1, bytes + entry.Length);
            }
        }

        // Only now: what an outage cut off is the next tick's first.
        (_continuation, _walked) = (next, time.GetTimestamp());
        return (files, bytes);
    }

    private async Task<bool> TryRemoveAsync(BlobEntry entry, CancellationToken cancellationToken)
    {
        try
        {
            return await blobs.TryDeleteAsync(entry.Name, entry.ETag, cancellationToken);
        }
        catch (BlobStoreException ex) when (!ex.IsTransient)
        {
            // A hold is on it: that is a person's wish.
            return false;
        }
    }
}
