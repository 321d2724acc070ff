using System.Globalization;
using System.Text;
using OzFunctions.Local;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>
/// Names a living shim by what the kernel says: who holds the lock of its directory. Its status file lies where a run of the same account can remove it or write
/// another in its place; the lock itself it cannot take away, and where it removes the lock's file the shim is known by the arguments that it was started with.
/// </summary>
internal static class ShimHolder
{
    // proc_locks(5): "1: FLOCK  ADVISORY  WRITE 707 08:01:1234 0 EOF".
    private const int KindColumn = 1;
    private const int AccessColumn = 3;
    private const int PidColumn = 4;
    private const int FileColumn = 5;

    /// <summary>Pid, start and tag of the shim, and nothing of its commands; null when none lives, or it cannot be named.</summary>
    public static ShimStatus? Find(string privateDirectory)
    {
        return FindByLock(privateDirectory) ?? FindByName(privateDirectory);
    }

    /// <summary>Whether one lives whose lock file a run has removed or replaced.</summary>
    public static bool IsThereWithoutLock(string privateDirectory) => FindByName(privateDirectory) is not null;

    /// <summary>
    /// The tag of what a dead shim left whose status nobody has any more: of a process that was given something in its private directory, whose name no other has. Null: none is
    /// found, or its tag is no mark of its own.
    /// </summary>
    public static ShimStatus? FindOrphans(string privateDirectory)
    {
        var others = new HashSet<long> { 0, ShimTag.Find(Environment.ProcessId) };
        var found = new List<long>();
        foreach (var pid in Own())
        {
            if (IsShim(pid, out var directory) && directory != privateDirectory)
            {
                // Living supervisors look after their own: whatever a process says of itself, none of theirs is taken for it.
                others.Add(ShimTag.Find(pid));
            }
            else if (HasInEnvironment(pid, $"={privateDirectory}/"))
            {
                found.Add(ShimTag.Find(pid));
            }
        }

        return found.Find(tag => tag > uint.MaxValue && !others.Contains(tag)) is not 0 and var left
            ? new ShimStatus { Version = ShimProtocol.Version, Pid = 0, StartTicks = 0, BootId = BootId.Current, Tag = left }
            : null;
    }

    private static ShimStatus? FindByLock(string privateDirectory)
    {
        // Without the device, which file systems made of several (btrfs, overlay) give another number here than there: the arguments settle whose lock it is.
        if (Posix.Libc.FindFacts(Path.Combine(privateDirectory, ShimProtocol.LockFile)) is not { IsRegular: true } file)
        {
            return null;
        }

        foreach (var pid in Holders(file.Inode))
        {
            if (ProcessStat.Find(pid) is { IsOver: false } stat && IsShimOf(pid, privateDirectory) && Holders(file.Inode).Contains(pid))
            {
                return Describe(pid, stat);
            }
        }

        return null;
    }

    private static ShimStatus? FindByName(string privateDirectory)
    {
        foreach (var pid in Own())
        {
            if (IsShimOf(pid, privateDirectory) && ProcessStat.Find(pid) is { IsOver: false } stat)
            {
                return Describe(pid, stat);
            }
        }

        return null;
    }

    private static ShimStatus Describe(int pid, ProcessStat stat)
    {
        // A host inside another shim carries that one's tag, and so does a shim that could set none of its own.
        var tag = ShimTag.Find(pid);
        return new ShimStatus { Version = ShimProtocol.Version, Pid = pid, StartTicks = stat.StartTicks, BootId = BootId.Current, Tag = tag == ShimTag.Find(Environment.ProcessId) ? 0 : tag };
    }

    /// <summary>This account's processes: another's may call itself what it likes.</summary>
    private static IEnumerable<int> Own() => ShimSweep.Processes().Where(pid => OwnerOf(pid) == ShimLibc.GetUser());

    private static uint? OwnerOf(int pid)
    {
        // Of the file's owner the kernel says root where a process cannot be dumped, as a shim cannot.
        Span<byte> room = stackalloc byte[2048];
        var status = Encoding.ASCII.GetString(room[..ShimLibc.ReadFile($"/proc/{pid}/status", room)]);
        var at = status.IndexOf("\nUid:\t", StringComparison.Ordinal);
        return at >= 0 && uint.TryParse(status[(at + 6)..].Split('\t')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var user) ? user : null;
    }

    private static bool HasInEnvironment(int pid, string text)
    {
        try
        {
            return File.ReadAllBytes($"/proc/{pid}/environ").AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Who holds a lock of the kind that shims take, alone, on a file of that number.</summary>
    private static List<int> Holders(ulong inode)
    {
        var end = string.Create(CultureInfo.InvariantCulture, $":{inode}");
        var holders = new List<int>();
        try
        {
            foreach (var line in File.ReadLines("/proc/locks"))
            {
                var columns = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (columns.Length > FileColumn && columns[KindColumn] == "FLOCK" && columns[AccessColumn] == "WRITE" && columns[FileColumn].EndsWith(end, StringComparison.Ordinal)
                    && int.TryParse(columns[PidColumn], NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && pid > 0)
                {
                    holders.Add(pid);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Then nobody can be named.
        }

        return holders;
    }

    private static bool IsShimOf(int pid, string privateDirectory) => IsShim(pid, out var directory) && directory == privateDirectory;

    /// <summary>As <see cref="ShimProcess"/> starts it.</summary>
    private static bool IsShim(int pid, out string directory)
    {
        directory = "";
        try
        {
            var arguments = Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{pid}/cmdline")).TrimEnd('\0').Split('\0');
            directory = arguments.Length == 2 && Path.GetFileName(arguments[0]) == ShimBinary.FileName ? arguments[1] : "";
            return directory.Length > 0;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
