using OzFunctions.Direct.Workspaces;
using OzFunctions.Hosts;
using OzFunctions.Local;

namespace OzFunctions.Direct.Leftovers;

/// <summary>
/// A host that sends to foreign ground holds a lock below <c>.ozf/bin/hosts</c> until its process ends, whatever way: the next host of the machine need not wait for its
/// lease. Beside the shims, as the attempts' own directories are told apart by their names.
/// </summary>
internal sealed class MachineHostLocks(DirectOptions options, TimeProvider time) : IHostLock
{
    /// <summary>Longer than anything waits for a host.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromDays(1);

    private const string Suffix = ".lock";

    private string Home => Path.Combine(Workspace.FindRoot(options), ".ozf", "bin", "hosts");

    public IHeldHostLock Hold(string hostId)
    {
        PrivateFiles.CreateDirectory(options.WorkspaceRoot);
        PrivateFiles.CreateDirectory(Path.Combine(Workspace.FindRoot(options), ".ozf"));
        Directory.CreateDirectory(Home);
        return HeldLockFile.Take(hostId, PathOf(hostId), time);
    }

    public HostLockState? Find(string hostId)
    {
        var path = PathOf(hostId);
        try
        {
            return File.Exists(path) ? new(FileLock.IsHeld(path), AgeOf(path)) : null;
        }
        catch (IOException)
        {
            // It cannot be told now.
            return null;
        }
    }

    public void Forget(string hostId) => Remove(PathOf(hostId));

    /// <summary>Removes the locks of hosts that are long dead.</summary>
    public void Sweep()
    {
        if (Directory.Exists(Home))
        {
            foreach (var path in Directory.EnumerateFiles(Home, "*" + Suffix).Where(path => AgeOf(path) > KeptFor).ToList())
            {
                Remove(path);
            }
        }
    }

    /// <summary>Under its lock: one that is held belongs to somebody alive.</summary>
    private static void Remove(string path)
    {
        try
        {
            if (Directory.Exists(Path.GetDirectoryName(path)) && FileLock.TryTake(path, create: false) is { } free)
            {
                File.Delete(path);
                free.Dispose();
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The next sweep tries again.
        }
    }

    private TimeSpan AgeOf(string path)
    {
        var age = time.GetUtcNow() - new DateTimeOffset(File.GetLastWriteTimeUtc(path), TimeSpan.Zero);
        return age > TimeSpan.Zero ? age : TimeSpan.Zero;
    }

    private string PathOf(string hostId) => Path.Combine(Home, Path.GetFileName(hostId) + Suffix);
}
