namespace OzFunctions.Direct.Shims;

/// <summary>Lets any number of callers wait until what a supervisor knows has changed.</summary>
/// <param name="gate">Held by whoever changes it, and while it is looked at: no change falls between a look and the wait after it.</param>
internal sealed class ChangeSignal(Lock gate, TimeProvider time)
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Done with the next change; to be read under the gate.</summary>
    public Task Next => _next.Task;

    /// <summary>Under the gate.</summary>
    public void Raise()
    {
        _next.TrySetResult();
        _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Looks, under the gate, at once and after each change, until it is as wanted or the time is up.</summary>
    public async Task UntilAsync(Func<bool> isAsWanted, TimeSpan atMost, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        while (true)
        {
            Task changed;
            lock (gate)
            {
                if (isAsWanted())
                {
                    return;
                }

                changed = Next;
            }

            try
            {
                var left = atMost == Timeout.InfiniteTimeSpan ? atMost : atMost - time.GetElapsedTime(begun);
                await changed.WaitAsync(left > TimeSpan.Zero || left == Timeout.InfiniteTimeSpan ? left : TimeSpan.Zero, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                return;
            }
        }
    }
}
