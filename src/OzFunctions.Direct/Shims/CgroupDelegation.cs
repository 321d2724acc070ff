using System.Text;
using OzFunctions.Direct.Posix;
using OzFunctions.Local;

namespace OzFunctions.Direct.Shims;

/// <summary>
/// Finds the control group (version 2) below which this host may make one for each attempt: the one above its own leaf when it was delegated. With systemd that is
/// <c>Delegate=yes</c> with <c>DelegateSubgroup=host</c>.
/// </summary>
public static class CgroupDelegation
{
    private const int WriteAndEnter = 3;

    /// <summary>Null: none, limits are sampled.</summary>
    public static string? Find() => !HostSystem.IsLinux ? null : Find("/proc/self/mountinfo", "/proc/self/cgroup", ShimLibc.GetUser() == 0, Directory.Exists("/run/systemd/system"));

    internal static string? Find(string mounts, string own, bool isRoot, bool hasManager)
    {
        if (FindMount(mounts) is not { } mount || FindOwn(own) is not { } group || !group.StartsWith(mount.Root, StringComparison.Ordinal))
        {
            return null;
        }

        // The root of all groups may hold processes beside groups; where systemd rules, nobody else makes groups there.
        var below = group[mount.Root.TrimEnd('/').Length..].Trim('/');
        if (below.Length == 0)
        {
            return isRoot && !hasManager && IsWritable(mount.Point) ? mount.Point : null;
        }

        var parent = Path.GetDirectoryName($"{mount.Point}/{below}")!;
        return IsWritable(parent) && (!isRoot || IsDelegated(parent)) && HoldsNoProcess(parent) ? parent : null;
    }

    /// <summary>Where version 2 is mounted, and which group its root is.</summary>
    private static (string Point, string Root)? FindMount(string mounts)
    {
        foreach (var line in ReadLines(mounts))
        {
            var fields = line.Split(' ');
            var separator = Array.IndexOf(fields, "-");
            if (separator > 4 && separator + 1 < fields.Length && fields[separator + 1] == "cgroup2")
            {
                return (fields[4], fields[3]);
            }
        }

        return null;
    }

    private static string? FindOwn(string own) => ReadLines(own).FirstOrDefault(line => line.StartsWith("0::", StringComparison.Ordinal))?[3..];

    private static bool IsWritable(string group) =>
        Libc.Access(group, WriteAndEnter) == 0 && Libc.Access(group + "/cgroup.procs", 2) == 0 && Libc.Access(group + "/cgroup.subtree_control", 2) == 0;

    // Root may write everywhere; systemd marks what it has given away.
    private static bool IsDelegated(string group) => ReadAttribute(group, "trusted.delegate") == "1" || ReadAttribute(group, "user.delegate") == "1";

    private static bool HoldsNoProcess(string group) => !ReadLines(group + "/cgroup.procs").Any();

    private static unsafe string? ReadAttribute(string path, string name)
    {
        var value = stackalloc byte[16];
        var length = Libc.GetAttribute(path, name, value, 16);
        return length > 0 ? Encoding.ASCII.GetString(value, (int)length) : null;
    }

    private static IEnumerable<string> ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
