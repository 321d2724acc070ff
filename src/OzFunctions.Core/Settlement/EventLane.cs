using System.Collections.Concurrent;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Runs;

namespace OzFunctions.Settlement;

/// <summary>
/// What one publisher on foreign ground has to be sent by this host, in order of due times, a few at once. Holds run ids only: what is owed stands in the records, so
/// that what finds no room here is offered again by a later tick.
/// </summary>
/// <param name="deliver">Never throws; answers when this host is to try again, null: not by itself.</param>
internal sealed class EventLane(IEventPublisher publisher, TimeProvider time, Func<IEventPublisher, RunId, CancellationToken, Task<DateTimeOffset?>> deliver, CancellationToken stop) : IDisposable
{
    private const int AtOnce = 4;
    private const int MostWaiting = 10_000;
    private const int MostNotices = 100;

    private readonly Lock _gate = new();
    private readonly Dictionary<RunId, DateTimeOffset> _waiting = [];
    private readonly PriorityQueue<RunId, DateTimeOffset> _order = new();
    private readonly HashSet<RunId> _busy = [];
    private readonly ConcurrentDictionary<Task, bool> _notices = new();
    private readonly SemaphoreSlim _room = new(AtOnce);
    private readonly SemaphoreSlim _noticeRoom = new(AtOnce);
    private readonly WakeSignal _wake = new();
    private readonly WakeSignal _moved = new();

    public IEventPublisher Publisher => publisher;

    /// <summary>A run whose event is owed to this publisher. Known ones keep the earlier time.</summary>
    public void Offer(RunId runId, DateTimeOffset due)
    {
        lock (_gate)
        {
            if (!_busy.Contains(runId) && (_waiting.TryGetValue(runId, out var known) ? known > due : _waiting.Count < MostWaiting))
            {
                _waiting[runId] = due;
                _order.Enqueue(runId, due);
            }
        }

        // Also when nothing is new: a machine that slept wakes with timers that did not see the time go by.
        _wake.Set();
    }

    /// <summary>An event that is best effort: sent beside the caller's work, a few at once beside those that are owed, and dropped when too many wait.</summary>
    public void Notify(Func<CancellationToken, Task> send)
    {
        if (_notices.Count < MostNotices)
        {
            var task = Task.Run(() => NotifyAsync(send), CancellationToken.None);
            _notices[task] = true;
            _ = task.ContinueWith(ended => { _notices.TryRemove(ended, out _); _moved.Set(); }, TaskScheduler.Default);
        }
    }

    /// <summary>Delivers what is due until stopped, and returns when nothing is under way any more.</summary>
    public async Task RunAsync()
    {
        while (!stop.IsCancellationRequested)
        {
            if (TakeDue() is { } next)
            {
                await _room.WaitAsync(CancellationToken.None);
                _ = DeliverAsync(next);
            }
            else
            {
                await WaitAsync();
            }
        }

        for (var taken = 0; taken < AtOnce; taken++)
        {
            await _room.WaitAsync(CancellationToken.None);
        }

        await Task.WhenAll(_notices.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Waits until nothing is under way and nothing is due.</summary>
    public async Task WhenIdleAsync(CancellationToken cancellationToken)
    {
        while (!IsIdle())
        {
            await _moved.WaitAsync(cancellationToken);
        }
    }

    public void Dispose()
    {
        _room.Dispose();
        _noticeRoom.Dispose();
        _wake.Dispose();
        _moved.Dispose();
    }

    private async Task NotifyAsync(Func<CancellationToken, Task> send)
    {
        await _noticeRoom.WaitAsync(stop);
        try
        {
            await send(stop);
        }
        finally
        {
            _noticeRoom.Release();
        }
    }

    private bool IsIdle()
    {
        var now = time.GetUtcNow();
        lock (_gate)
        {
            return _busy.Count == 0 && _notices.IsEmpty && !_waiting.Values.Any(due => due <= now);
        }
    }

    private RunId? TakeDue()
    {
        var now = time.GetUtcNow();
        lock (_gate)
        {
            while (_order.TryPeek(out var runId, out var due) && due <= now)
            {
                _order.Dequeue();
                if (_waiting.TryGetValue(runId, out var known) && known == due)
                {
                    _waiting.Remove(runId);
                    _busy.Add(runId);
                    return runId;
                }
            }

            return null;
        }
    }

    private async Task WaitAsync()
    {
        TimeSpan? until;
        lock (_gate)
        {
            until = _order.TryPeek(out _, out var due) ? due - time.GetUtcNow() : null;
        }

        using var woken = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var waking = _wake.WaitAsync(woken.Token);
        if (until is { } delay)
        {
            await Task.WhenAny(waking, Task.Delay(delay > TimeSpan.Zero ? delay : TimeSpan.Zero, time, woken.Token));
        }
        else
        {
            await Task.WhenAny(waking);
        }

        await woken.CancelAsync();
        await waking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task DeliverAsync(RunId runId)
    {
        DateTimeOffset? again = null;
        try
        {
            again = await deliver(publisher, runId, stop);
        }
        finally
        {
            lock (_gate)
            {
                _busy.Remove(runId);
            }

            if (again is { } due)
            {
                Offer(runId, due);
            }

            _room.Release();
            _moved.Set();
            _wake.Set();
        }
    }
}
