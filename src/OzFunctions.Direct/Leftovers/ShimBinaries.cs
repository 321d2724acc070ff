using System.Collections.Concurrent;
using OzFunctions.Direct.Posix;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;

namespace OzFunctions.Direct.Leftovers;

/// <summary>
/// The installed shims below <c>.ozf/bin</c>. A shim needs no file once it runs, but a host of an older version may live beside a newer one and start more: so
/// each host holds a lock in the directory of the shim that it starts, for the life of its process. What no host holds goes after a while.
/// </summary>
internal static class ShimBinaries
{
    public static readonly TimeSpan KeptFor = TimeSpan.FromDays(1);

    private const string UsePattern = "host-*.lock";
    private const int NameLength = 64;
    private static readonly ConcurrentDictionary<string, FileLock> Held = new(StringComparer.Ordinal);

    /// <summary>Holds a directory that stands there for the life of this process; false: it was removed meanwhile, or the disk refused.</summary>
    public static bool TryUse(string directory)
    {
        if (Held.TryGetValue(directory, out var held))
        {
            if (held.IsStillThere)
            {
                return true;
            }

            Held.TryRemove(directory, out _);
            held.Dispose();
        }

        try
        {
            using var binaries = Lock(Path.GetDirectoryName(directory)!);
            if (FileLock.TryTake(Path.Combine(directory, $"host-{Guid.NewGuid():N}.lock")) is { } taken)
            {
                if (!Held.TryAdd(directory, taken))
                {
                    File.Delete(taken.Path);
                    taken.Dispose();
                }

                return true;
            }

            return false;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Removes shims that no host holds and that nobody touched for <see cref="KeptFor"/>; answers their directories.</summary>
    public static IReadOnlyList<string> Sweep(string home, DateTimeOffset now)
    {
        var binaries = Path.Combine(home, "bin");
        var removed = new List<string>();
        if (Libc.FindFacts(binaries) is not { IsDirectory: true })
        {
            return removed;
        }

        foreach (var directory in Directory.EnumerateDirectories(binaries).Where(IsOurs).ToList())
        {
            using var all = Lock(binaries);
            foreach (var use in Directory.EnumerateFiles(directory, UsePattern).Where(use => !FileLock.IsHeld(use)).ToList())
            {
                // Of a host that is dead. The directory's time is that of the last change, so it is kept a while from now on.
                File.Delete(use);
            }

            if (!Directory.EnumerateFiles(directory, UsePattern).Any() && now - new DateTimeOffset(Directory.GetLastWriteTimeUtc(directory), TimeSpan.Zero) > KeptFor
                && TreeRemover.RemoveOnce(directory) is null)
            {
                removed.Add(directory);
            }
        }

        return removed;
    }

    /// <summary>The directory of one shim as this product makes it, and nothing else in it.</summary>
    private static bool IsOurs(string directory)
    {
        var name = Path.GetFileName(directory);
        return name.Length == NameLength && name.All(char.IsAsciiHexDigitLower)
            && Libc.FindFacts(directory) is { IsDirectory: true }
            && Directory.EnumerateFileSystemEntries(directory).All(entry => Path.GetFileName(entry) is var file && (file.StartsWith("ozf-shim", StringComparison.Ordinal) || file.StartsWith("host-", StringComparison.Ordinal)));
    }

    /// <summary>Held for a moment by who installs and who removes, so that neither meets the other half-way.</summary>
    private static FileLock Lock(string binaries)
    {
        FileLock? taken = null;
        SpinWait.SpinUntil(() => (taken = FileLock.TryTake(Path.Combine(binaries, "lock"))) is not null, TimeSpan.FromSeconds(10));
        return taken ?? throw new IOException($"{binaries} is held by another process.");
    }
}
