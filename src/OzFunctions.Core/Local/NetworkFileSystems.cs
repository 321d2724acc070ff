using System.Runtime.InteropServices;

namespace OzFunctions.Local;

/// <summary>Tells file systems on which locks, links, times and watches cannot be trusted.</summary>
public static class NetworkFileSystems
{
    private const int Size = 256;

    /// <summary>The kind of network file system the path is on, or would be created on; null when it is a local one.</summary>
    public static string? Find(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        for (var place = Path.GetFullPath(path); place is not null; place = Path.GetDirectoryName(place))
        {
            if (TryGetKind(place, out var kind))
            {
                return NameOf(kind);
            }
        }

        return null;
    }

    /// <summary>By the superblock's magic number (linux/magic.h).</summary>
    internal static string? NameOf(uint kind) => kind switch
    {
        0x6969 => "nfs",
        0x517b => "smb",
        0xff534d42 => "cifs",
        0xfe534d42 => "smb2",
        0x01021997 => "9p",
        0x65735546 => "fuse",
        0x00c36400 => "ceph",
        0x5346414f or 0x6b414653 => "afs",
        0x73757245 => "coda",
        0x0bd00bd0 => "lustre",
        _ => null,
    };

    private static unsafe bool TryGetKind(string path, out uint kind)
    {
        // The kind is the first field, one machine word; the rest differs between processors.
        var buffer = stackalloc byte[Size];
        var found = Libc.Statfs(path, buffer) == 0;
        kind = found ? (uint)MemoryMarshal.Read<nint>(new ReadOnlySpan<byte>(buffer, Size)) : 0;
        return found;
    }
}
