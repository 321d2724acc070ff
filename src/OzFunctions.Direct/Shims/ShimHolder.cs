using System.Globalization;
using System.Text;
using OzFunctions.Local;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>
/// Names a living shim by what the kernel says: who holds the lock of its directory. Its status file lies where a run of the same account can remove it or write
/// another in its place; the lock it cannot take away.
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
        // Without the device, which file systems made of several (btrfs, overlay) give another number here than there: the arguments settle whose lock it is.
        if (Posix.Libc.FindFacts(Path.Combine(privateDirectory, ShimProtocol.LockFile)) is not { IsRegular: true } file)
        {
            return null;
        }

        foreach (var pid in Holders(file.Inode))
        {
            if (ProcessStat.Find(pid) is { IsOver: false } stat && IsShimOf(pid, privateDirectory) && Holders(file.Inode).Contains(pid))
            {
                // A host inside another shim carries that one's tag, and so does a shim that could set none of its own.
                var tag = ShimTag.Find(pid);
                return new ShimStatus { Version = ShimProtocol.Version, Pid = pid, StartTicks = stat.StartTicks, BootId = BootId.Current, Tag = tag == ShimTag.Find(Environment.ProcessId) ? 0 : tag };
            }
        }

        return null;
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

    /// <summary>As <see cref="ShimProcess"/> starts it.</summary>
    private static bool IsShimOf(int pid, string privateDirectory)
    {
        try
        {
            var arguments = Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{pid}/cmdline")).TrimEnd('\0').Split('\0');
            return arguments.Length == 2 && Path.GetFileName(arguments[0]) == ShimBinary.FileName && arguments[1] == privateDirectory;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
