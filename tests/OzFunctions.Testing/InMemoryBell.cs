using System.Collections.Concurrent;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Testing;

/// <summary>The bell port inside one process.</summary>
public sealed class InMemoryBell(TimeProvider time) : IBell
{
    private readonly ConcurrentDictionary<Listener, string> _listeners = new();

    public Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken)
    {
        foreach (var (listener, worker) in _listeners)
        {
            if (worker == workerId)
            {
                listener.Ring();
            }
        }

        return Task.CompletedTask;
    }

    public IBellListener Listen(string workerId)
    {
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
        }

        public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
        {
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
        }

        public ValueTask DisposeAsync()
        {
            bell._listeners.TryRemove(this, out _);
            return ValueTask.CompletedTask;
        }
    }
}
