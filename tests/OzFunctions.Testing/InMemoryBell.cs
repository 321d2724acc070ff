using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Testing;

/// <summary>A bell in memory that never loses a ring.</summary>
public sealed class InMemoryBell(TimeProvider time) : IBell
{
    private readonly Lock _lock = new();
    private readonly List<Listener> _listeners = [];
    private readonly List<(string WorkerId, RunId RunId)> _rings = [];

    /// <summary>All rings so far.</summary>
    public IReadOnlyList<(string WorkerId, RunId RunId)> Rings
    {
        get
        {
            lock (_lock)
            {
                return [.. _rings];
            }
        }
    }

    public Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            _rings.Add((workerId, runId));
            foreach (var listener in _listeners.Where(listener => listener.WorkerId == workerId))
            {
                listener.Ring(runId);
            }
        }

        return Task.CompletedTask;
    }

    public IBellListener Listen(string workerId)
    {
        var listener = new Listener(this, workerId, time);
        lock (_lock)
        {
            _listeners.Add(listener);
        }

        return listener;
    }

    private sealed class Listener(InMemoryBell bell, string workerId, TimeProvider time) : IBellListener
    {
        private readonly Alarm _alarm = new(time);
        private int _rang;

        public string WorkerId => workerId;

        public RunId? LastRun { get; private set; }

        public void Ring(RunId runId)
        {
            LastRun = runId;
            Volatile.Write(ref _rang, 1);
            _alarm.Ring();
        }

        public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var next = _alarm.Next;
            if (Interlocked.Exchange(ref _rang, 0) == 1)
            {
                return true;
            }

            await _alarm.WaitAsync(next, atMost, cancellationToken);
            return Interlocked.Exchange(ref _rang, 0) == 1;
        }

        public ValueTask DisposeAsync()
        {
            lock (bell._lock)
            {
                bell._listeners.Remove(this);
            }

            return ValueTask.CompletedTask;
        }
    }
}
