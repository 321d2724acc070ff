using OzFunctions.Hosts;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>Each host holds a <c>flock</c> on <c>hosts/&lt;host_id&gt;.lock</c> for life; the file's time is its last sign of life (protocol L6).</summary>
public sealed class FilesHostLock(FilesStore store) : IHostLock
{
    public IHeldHostLock Hold(string hostId)
    {
        var path = PathOf(hostId);
        try
        {
            return HeldLockFile.Take(hostId, path, store.Time);
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            throw StoreFaults.From(exception, path);
        }
    }

    public HostLockState? Find(string hostId)
    {
        var path = PathOf(hostId);
        try
        {
            return FileFacts.Find(path, out var facts) is { Ok: true } ? new(FileLock.IsHeld(path), store.AgeOf(facts)) : null;
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            throw StoreFaults.From(exception, path);
        }
    }

    public void Forget(string hostId)
    {
        var path = PathOf(hostId);
        try
        {
            // Removed under its lock: one that is held belongs to somebody alive.
            using var free = FileLock.TryTake(path, create: false);
            if (free is not null)
            {
                PosixFiles.Unlink(path);
            }
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            throw StoreFaults.From(exception, path);
        }
    }

    private string PathOf(string hostId) => Path.Join(store.Directory, "hosts", $"{FileNames.Single(hostId)}.lock");
}
