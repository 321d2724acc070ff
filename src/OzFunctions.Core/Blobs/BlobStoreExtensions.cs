using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace OzFunctions.Blobs;

/// <summary>What is said often of a store.</summary>
public static class BlobStoreExtensions
{
    private const int PageSize = 1000;

    /// <summary>Every blob below a prefix, page by page.</summary>
    public static async IAsyncEnumerable<BlobEntry> ListAllAsync(
        this IBlobStore blobs, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? continuation = null;
        do
        {
            var page = await blobs.ListAsync(prefix, continuation, PageSize, cancellationToken);
            foreach (var entry in page.Entries)
            {
                yield return entry;
            }

            continuation = page.Continuation;
        }
        while (continuation is not null);
    }

    /// <summary>
    /// Deletes the blobs below a prefix that are to go, each only as it was listed; answers how many went. One that the store does not let go keeps none of the others: its
    /// refusal is thrown at the end.
    /// </summary>
    public static async Task<int> DeleteAllAsync(this IBlobStore blobs, string prefix, Func<BlobEntry, bool> goes, CancellationToken cancellationToken)
    {
        var deleted = 0;
        ExceptionDispatchInfo? refused = null;
        await foreach (var entry in blobs.ListAllAsync(prefix, cancellationToken))
        {
            try
            {
                if (goes(entry) && await blobs.TryDeleteAsync(entry.Name, entry.ETag, cancellationToken))
                {
                    deleted++;
                }
            }
            catch (BlobStoreException ex) when (!ex.IsOutage)
            {
                refused ??= ExceptionDispatchInfo.Capture(ex);
            }
        }

        refused?.Throw();
        return deleted;
    }
}
