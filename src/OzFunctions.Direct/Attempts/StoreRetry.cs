using OzFunctions.Blobs;

namespace OzFunctions.Direct.Attempts;

/// <summary>Repeats what an unreachable store refused, for as long as the attempt is ours: an outage loses nothing (guarantee 9).</summary>
internal sealed class StoreRetry(AttemptScope scope)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan MostDelay = TimeSpan.FromSeconds(30);

    /// <summary>Null: done. Else why it was given up.</summary>
    public async Task<string?> RunAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
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
            catch (BlobStoreException exception) when (!exception.IsTransient)
            {
                return exception.Message;
            }
            catch (BlobStoreException)
            {
                await Task.Delay(delay, scope.Time, cancellationToken);
            }
        }
    }
}
