using System.Collections.Concurrent;
using OzFunctions.Hosts;

namespace OzFunctions.Testing;

/// <summary>Host locks in memory, as hosts on one machine have them.</summary>
public sealed class InMemoryHostLock(TimeProvider time) : IHostLock
{
    private readonly ConcurrentDictionary<string, Held> _hosts = new(StringComparer.Ordinal);

    public IHeldHostLock Hold(string hostId)
    {
        var held = new Held(time);
        return _hosts.TryAdd(hostId, held) ? held : throw new InvalidOperationException($"The lock of host '{hostId}' is taken: host ids are new for every process.");
    }

    public HostLockState? Find(string hostId) => _hosts.TryGetValue(hostId, out var host) ? host.State : null;

    public void Forget(string hostId)
    {
        if (_hosts.TryGetValue(hostId, out var host) && !host.State.Held)
        {
            _hosts.TryRemove(hostId, out _);
        }
    }

    private sealed class Held(TimeProvider time) : IHeldHostLock
    {
        private readonly Lock _lock = new();
        private DateTimeOffset _renewed = time.GetUtcNow();
        private bool _held = true;

        public HostLockState State
        {
            get
            {
                lock (_lock)
                {
                    return new(_held, TimeSpan.FromTicks(Math.Max(0, (time.GetUtcNow() - _renewed).Ticks)));
                }
            }
        }

        public bool Renew()
        {
            lock (_lock)
            {
                _renewed = _held ? time.GetUtcNow() : _renewed;
                return _held;
            }
        }

        public void Dispose()
        {
            lock (_lock)
            {
                _held = false;
            }
        }
    }
}
