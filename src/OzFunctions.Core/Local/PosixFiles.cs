using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Local;

/// <summary>Single system calls on files that answer with an errno instead of throwing. They never take .NET's own file locks. Outside Linux they are <see cref="PortableFiles"/>.</summary>
public static class PosixFiles
{
    private const int PrivateFile = 0x180; // 0600
    private const int PrivateDirectory = 0x1c0; // 0700

    private static long _syncs;

    public static PosixError OpenRead(string path, out SafeFileHandle file) =>
        HostSystem.IsLinux ? Open(path, Libc.ReadOnly, out file) : PortableFiles.OpenRead(path, out file);

    /// <summary>Opens for reading and writing; the file must be there.</summary>
    public static PosixError OpenWrite(string path, out SafeFileHandle file) =>
        HostSystem.IsLinux ? Open(path, Libc.ReadWrite, out file) : PortableFiles.OpenWrite(path, out file);

    /// <summary>Opens for reading and writing, mode 0600; created when absent.</summary>
    public static PosixError OpenOrCreate(string path, out SafeFileHandle file) =>
        HostSystem.IsLinux ? Open(path, Libc.ReadWrite | Libc.Create, out file) : PortableFiles.OpenOrCreate(path, out file);

    /// <summary>Opens so that every write goes to the end, also with other writers (on Linux alone); created when absent.</summary>
    public static PosixError OpenAppend(string path, out SafeFileHandle file) =>
        HostSystem.IsLinux ? Open(path, Libc.ReadWrite | Libc.Create | Libc.Append, out file) : PortableFiles.OpenOrCreate(path, out file);

    /// <summary>Creates an empty file, mode 0600; exclusive: one of several callers wins, the others are told it exists.</summary>
    public static PosixError CreateNew(string path, out SafeFileHandle file) =>
        HostSystem.IsLinux ? Open(path, Libc.ReadWrite | Libc.Create | Libc.Exclusive, out file) : PortableFiles.CreateNew(path, out file);

    /// <summary>Gives a file a second name; exclusive, unlike a move.</summary>
    public static PosixError Link(string existing, string path) => HostSystem.IsLinux ? PosixError.Of(Libc.Link(existing, path)) : PortableFiles.Link(existing, path);

    /// <summary>Moves a file onto a name, replacing what is there in one step.</summary>
    public static PosixError Rename(string from, string to) => HostSystem.IsLinux ? PosixError.Of(Libc.Rename(from, to)) : PortableFiles.Rename(from, to);

    public static PosixError Unlink(string path) => HostSystem.IsLinux ? PosixError.Of(Libc.Unlink(path)) : PortableFiles.Unlink(path);

    /// <summary>Makes one directory, mode 0700; exclusive.</summary>
    public static PosixError MakeDirectory(string path) => HostSystem.IsLinux ? PosixError.Of(Libc.MakeDirectory(path, PrivateDirectory)) : PortableFiles.MakeDirectory(path);

    /// <summary>Removes a directory if it is empty.</summary>
    public static PosixError RemoveDirectory(string path) => HostSystem.IsLinux ? PosixError.Of(Libc.RemoveDirectory(path)) : PortableFiles.RemoveDirectory(path);

    public static PosixError Truncate(SafeFileHandle file, long length) => HostSystem.IsLinux ? PosixError.Of(Libc.Truncate(file, length)) : PortableFiles.Truncate(file, length);

    /// <summary>How often this process has asked for durability so far; a bench reads it.</summary>
    public static long Syncs => Interlocked.Read(ref _syncs);

    public static PosixError Fsync(SafeFileHandle file)
    {
        Interlocked.Increment(ref _syncs);
        return HostSystem.IsLinux ? PosixError.Of(Libc.Fsync(file)) : PortableFiles.Fsync(file);
    }

    /// <summary>Sets the modification time, in ticks of UTC (100 ns).</summary>
    public static unsafe PosixError SetModified(SafeFileHandle file, long ticks)
    {
        if (!HostSystem.IsLinux)
        {
            return PortableFiles.SetModified(file, ticks);
        }

        var (seconds, rest) = Math.DivRem(ticks - DateTime.UnixEpoch.Ticks, TimeSpan.TicksPerSecond);
        if (rest < 0)
        {
            (seconds, rest) = (seconds - 1, rest + TimeSpan.TicksPerSecond);
        }

        var times = stackalloc long[4] { 0, Libc.Omit, seconds, rest * TimeSpan.NanosecondsPerTick };
        return PosixError.Of(Libc.SetTimes(file, times));
    }

    private static PosixError Open(string path, int flags, out SafeFileHandle file)
    {
        while (true)
        {
            // Without close-on-exec a child that outlives us would keep our locks (facts: a flock lives with the open file).
            var number = Libc.Open(path, flags | Libc.CloseOnExec, PrivateFile);
            var error = PosixError.Of(number);
            if (error != PosixError.Interrupted)
            {
                file = new SafeFileHandle(number, ownsHandle: true);
                return error;
            }
        }
    }
}
