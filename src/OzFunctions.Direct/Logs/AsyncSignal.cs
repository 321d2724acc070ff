namespace OzFunctions.Direct.Logs;

/// <summary>Wakes one waiter; set while nobody waits, it wakes the next one at once.</summary>
internal sealed class AsyncSignal(TimeProvider time)
{
    private readonly SemaphoreSlim _set = new(0, 1);

    public void Set()
    {
        lock (_set)
        {
            if (_set.CurrentCount == 0)
            {
                _set.Release();
            }
        }
    }

    /// <summary>Waits until set, at most this long.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        if (atMost == Timeout.InfiniteTimeSpan)
        {
            await _set.WaitAsync(cancellationToken);
            return;
        }

        using var over = new CancellationTokenSource(atMost > TimeSpan.Zero ? atMost : TimeSpan.Zero, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
        try
        {
            await _set.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Only the time is up.
        }
    }
}
