namespace OzFunctions.Hosts;

/// <summary>
/// Where hosts share a machine's file system: a lock each host holds for life (protocol L6). A store without one has <see cref="NoHostLock"/>.
/// </summary>
public interface IHostLock
{
    /// <summary>Takes the lock of a new host id; disposing, or the end of the process, frees it.</summary>
    IHeldHostLock Hold(string hostId);

    /// <summary>What the lock says of another host; null where the store has no such lock.</summary>
    HostLockState? Find(string hostId);

    /// <summary>Removes what is left of a host that is long dead.</summary>
    void Forget(string hostId);
}

/// <summary>Held for the life of a host.</summary>
public interface IHeldHostLock : IDisposable
{
    /// <summary>Marks a sign of life that does not need the store to be writable; false when it failed.</summary>
    bool Renew();
}

/// <summary>Whether somebody holds the lock, and how long ago it was renewed.</summary>
public readonly record struct HostLockState(bool Held, TimeSpan Age);

/// <summary>For stores that hosts reach over a network: the heartbeat alone decides.</summary>
public sealed class NoHostLock : IHostLock
{
    public IHeldHostLock Hold(string hostId) => new Nothing();

    public HostLockState? Find(string hostId) => null;

    public void Forget(string hostId)
    {
    }

    private sealed class Nothing : IHeldHostLock
    {
        public bool Renew() => false;

        public void Dispose()
        {
        }
    }
}
