using OzFunctions.Local;

namespace OzFunctions.Hosts;

/// <summary>A host's lock as a file that it holds until its process ends; the file's time is its last sign of life (protocol L6).</summary>
public sealed class HeldLockFile : IHeldHostLock
{
    private readonly FileLock _file;
    private readonly TimeProvider _time;

    private HeldLockFile(FileLock file, TimeProvider time) => (_file, _time) = (file, time);

    /// <summary>Takes it, and says that the host lives.</summary>
    /// <param name="hostId">Of the host that takes it.</param>
    /// <param name="path">Of the file, in a directory that is there.</param>
    /// <param name="time">The clock of the signs of life.</param>
    /// <exception cref="InvalidOperationException">Somebody holds it.</exception>
    public static HeldLockFile Take(string hostId, string path, TimeProvider time)
    {
        var file = FileLock.TryTake(path) ?? throw new InvalidOperationException($"The lock of host '{hostId}' is taken: host ids are new for every process.");
        var held = new HeldLockFile(file, time);
        held.Renew();
        return held;
    }

    public bool Renew() => _file.Touch(_time.GetUtcNow());

    public void Dispose() => _file.Dispose();
}
