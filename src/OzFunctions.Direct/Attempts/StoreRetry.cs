using OzFunctions.Blobs;

namespace OzFunctions.Direct.Attempts;

/// <summary>Repeats what a store that is away, or that refuses everybody, did not take, for as long as the attempt is ours: an outage loses nothing (guarantee 9).</summary>
internal sealed class StoreRetry(AttemptScope scope)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan MostDelay = TimeSpan.FromSeconds(30);

    /// <summary>Null: done. Else why it was given up.</summary>
    /// <param name="waits">Told what it waits for, first and when that is something else; null: the work says so itself.</param>
    public async Task<string?> RunAsync(Func<CancellationToken, Task> work, Action<BlobStoreException>? waits, CancellationToken cancellationToken)
    {
        string? told = null;
        for (var delay = FirstDelay; ; delay = delay * 2 > MostDelay ? MostDelay : delay * 2)
        {
            if (scope.FindOrder() is not null && scope.IsFenced)
            {
                return "another host owns the run";
            }

            try
            {
                await work(cancellationToken);
                return null;
            }
            catch (BlobStoreException exception) when (!exception.IsOutage)
            {
                return exception.Message;
            }
            catch (BlobStoreException exception)
            {
                if (told != exception.Message)
                {
                    told = exception.Message;
                    waits?.Invoke(exception);
                }

                await Task.Delay(delay, scope.Time, cancellationToken);
            }
        }
    }
}
