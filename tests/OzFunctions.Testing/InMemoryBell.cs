<<<<<<< HEAD
using System.Collections.Concurrent;
=======
>>>>>>> files
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Testing;

<<<<<<< HEAD
/// <summary>The bell port inside one process.</summary>
public sealed class InMemoryBell(TimeProvider time) : IBell
{
    private readonly ConcurrentDictionary<Listener, string> _listeners = new();

    public Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken)
    {
        foreach (var (listener, worker) in _listeners)
        {
            if (worker == workerId)
=======
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
>>>>>>> files
            {
                listener.Ring();
            }
        }

        return Task.CompletedTask;
    }

    public IBellListener Listen(string workerId)
    {
<<<<<<< HEAD
        var listener = new Listener(this, time);
        _listeners[listener] = workerId;
        return listener;
    }

    private sealed class Listener(InMemoryBell bell, TimeProvider time) : IBellListener
    {
        private readonly Lock _gate = new();
        private readonly SemaphoreSlim _rung = new(0, 1);

        public void Ring()
        {
            lock (_gate)
            {
                if (_rung.CurrentCount == 0)
                {
                    _rung.Release();
                }
            }
=======
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

        public void Ring()
        {
            Volatile.Write(ref _rang, 1);
            _alarm.Ring();
>>>>>>> files
        }

        public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
        {
<<<<<<< HEAD
            using var deadline = new CancellationTokenSource(atMost, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
            try
            {
                await _rung.WaitAsync(either.Token);
                return true;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return false;
            }
=======
            cancellationToken.ThrowIfCancellationRequested();
            var next = _alarm.Next;
            if (Interlocked.Exchange(ref _rang, 0) == 1)
            {
                return true;
            }

            await _alarm.WaitAsync(next, atMost, cancellationToken);
            return Interlocked.Exchange(ref _rang, 0) == 1;
>>>>>>> files
        }

        public ValueTask DisposeAsync()
        {
<<<<<<< HEAD
            bell._listeners.TryRemove(this, out _);
=======
            lock (bell._lock)
            {
                bell._listeners.Remove(this);
            }

>>>>>>> files
            return ValueTask.CompletedTask;
        }
    }
}
