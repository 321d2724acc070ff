using OzFunctions.Runs;

namespace OzFunctions.Direct.Logs;

/// <summary>What the reader of the output asks of the appender: how far to go, whom to tell when it is there, and when to end.</summary>
internal sealed class LogDemand(AsyncSignal work, AsyncSignal retry)
{
    private readonly Lock _lock = new();
    private readonly List<TaskCompletionSource> _flushes = [];
    private TaskCompletionSource<LogSummary>? _seal;
    private LogLimits _limits;
    private Exception? _ended;

    public void Advance(LogLimits limits)
    {
        lock (_lock)
        {
            _limits = limits with { Final = _limits.Final || limits.Final };
        }

        work.Set();
    }

    /// <summary>Completes when all up to the present limits is stored.</summary>
    public Task FlushAsync()
    {
        var flush = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_ended is not null || _seal is { Task.IsCompletedSuccessfully: true })
            {
                return _ended is null ? Task.CompletedTask : Task.FromException(_ended);
            }

            _flushes.Add(flush);
        }

        WakeUp();
        return flush.Task;
    }

    /// <summary>Completes when everything is stored and durable; fails when the store refuses the log for good.</summary>
    public Task<LogSummary> SealAsync()
    {
        Task<LogSummary> sealing;
        lock (_lock)
        {
            _limits = _limits with { Final = true };
            _seal ??= new TaskCompletionSource<LogSummary>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_ended is not null)
            {
                _seal.TrySetException(_ended);
            }

            sealing = _seal.Task;
        }

        WakeUp();
        return sealing;
    }

    /// <summary>The demand of now.</summary>
    public LogWish Read()
    {
        lock (_lock)
        {
            return new LogWish(_limits, [.. _flushes], _seal);
        }
    }

    public void Complete(LogWish wish)
    {
        if (wish.Flushes.Count > 0)
        {
            lock (_lock)
            {
                _flushes.RemoveAll(wish.Flushes.Contains);
            }

            foreach (var flush in wish.Flushes)
            {
                flush.TrySetResult();
            }
        }
    }

    /// <summary>Nothing more will be stored.</summary>
    public void End(Exception exception)
    {
        lock (_lock)
        {
            _ended = exception;
        }

        Fail(exception);
        Read().Seal?.TrySetException(exception);
    }

    /// <summary>Those who wait for a flush are told; a seal waits on.</summary>
    public void Fail(Exception exception)
    {
        var wish = Read();
        lock (_lock)
        {
            _flushes.RemoveAll(wish.Flushes.Contains);
        }

        foreach (var flush in wish.Flushes)
        {
            flush.TrySetException(exception);
        }
    }

    private void WakeUp()
    {
        work.Set();
        retry.Set();
    }
}

/// <summary>A demand as it was at one time.</summary>
internal sealed record LogWish(LogLimits Limits, IReadOnlyList<TaskCompletionSource> Flushes, TaskCompletionSource<LogSummary>? Seal)
{
    public bool IsUrgent => Flushes.Count > 0 || Seal is not null;
}
