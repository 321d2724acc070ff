using System.Runtime.InteropServices;
using OzFunctions.Local;

namespace OzFunctions.Direct.Posix;

/// <summary>The few calls of libc that the BCL does not offer: exclusive and link-proof file access, and file system figures.</summary>
internal static unsafe partial class Libc
{
    public const int AtFdCwd = -100;
    public const int AtRemoveDir = 0x200;
    public const int AtSymlinkNoFollow = 0x100;
    public const int AtEmptyPath = 0x1000;
    public const int OReadOnly = 0;
    public const int OReadWrite = 2;
    public const int ONonBlock = 0x800;
    public const int OCloseOnExec = 0x80000;
    public const int OPath = 0x200000;
    public const int Enoent = 2;
    public const int Enomem = 12;
    public const int Eacces = 13;
    public const int Enfile = 23;
    public const int Emfile = 24;
    public const int Eexist = 17;
    public const int ExecuteAccess = 1;

    private const uint StatxBasicAndBirth = 0xfff;

    // On x86 the two bits are swapped against arm64 (facts/shim.md, section 9).
    public static int ODirectory { get; } = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;

    public static int ONoFollow { get; } = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MakeDirectory(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(int directory, byte* name, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "access", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Access(string path, int mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    public static partial int UnlinkAt(int directory, byte* name, int flags);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    public static partial int ChangeMode(int descriptor, uint mode);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint GetUser();

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    public static partial int GetLimit(int resource, ulong* limits);

    [LibraryImport("libc", EntryPoint = "getpwnam_r", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int GetAccount(string name, nint* entry, byte* buffer, nuint size, nint* found);

    [LibraryImport("libc", EntryPoint = "getgrouplist", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int GetGroups(string name, int gid, int* groups, int* count);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChangeOwner(string path, int uid, int gid);

    [LibraryImport("libc", EntryPoint = "getxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint GetAttribute(string path, string name, byte* value, nuint size);

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
    public static partial int RenameAt(int fromDirectory, byte* from, int toDirectory, byte* to);

    [LibraryImport("libc", EntryPoint = "dup", SetLastError = true)]
    public static partial int Duplicate(int descriptor);

    [LibraryImport("libc", EntryPoint = "fdopendir", SetLastError = true)]
    public static partial nint OpenDirectoryStream(int descriptor);

    [LibraryImport("libc", EntryPoint = "readdir", SetLastError = true)]
    public static partial byte* ReadDirectory(nint stream);

    [LibraryImport("libc", EntryPoint = "closedir", SetLastError = true)]
    public static partial int CloseDirectoryStream(nint stream);

    [LibraryImport("libc", EntryPoint = "realpath", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint RealPath(string path, nint buffer);

    [LibraryImport("libc", EntryPoint = "free")]
    private static partial void Free(nint memory);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static partial int Statx(int directory, byte* name, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "statvfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatFileSystem(string path, ulong* buffer);

    /// <summary>Reads what a name below a directory is, not following a link; null with errno set when it cannot be read.</summary>
    public static FileFacts? FindFacts(int directory, byte* name)
    {
        // struct statx is the same on every architecture, unlike struct stat.
        var buffer = stackalloc byte[256];
        return Statx(directory, name, AtSymlinkNoFollow, StatxBasicAndBirth, buffer) == 0 ? FileFacts.Read(buffer) : null;
    }

    /// <summary>Reads what an open file is.</summary>
    public static FileFacts? FindFacts(int descriptor)
    {
        var buffer = stackalloc byte[256];
        byte none = 0;
        return Statx(descriptor, &none, AtEmptyPath, StatxBasicAndBirth, buffer) == 0 ? FileFacts.Read(buffer) : null;
    }

    /// <summary>Reads what a path is, not following a link at its end.</summary>
    public static FileFacts? FindFacts(string path)
    {
        if (!HostSystem.IsLinux)
        {
            return PortableCalls.FindFacts(path);
        }

        var name = System.Text.Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* pointer = name)
        {
            return FindFacts(AtFdCwd, pointer);
        }
    }

    /// <summary>The path without any link; null when it does not exist.</summary>
    public static string? FindRealPath(string path)
    {
        if (!HostSystem.IsLinux)
        {
            return PortableCalls.FindRealPath(path);
        }

        var memory = RealPath(path, 0);
        if (memory == 0)
        {
            return null;
        }

        var real = Marshal.PtrToStringUTF8(memory);
        Free(memory);
        return real;
    }

    /// <summary>Whether it is this user's; outside Linux nobody can tell, and the directory it lies in must do.</summary>
    public static bool IsOwn(FileFacts facts) => !HostSystem.IsLinux || facts.Owner == GetUser();

    public static bool IsExecutable(string path) => HostSystem.IsLinux ? Access(path, ExecuteAccess) == 0 : PortableCalls.IsExecutable(path);

    /// <summary>Free bytes, free inodes and all inodes of the file system that holds the path.</summary>
    public static (long FreeBytes, long FreeInodes, long Inodes)? FindFileSystem(string path)
    {
        // struct statvfs: bsize, frsize, blocks, bfree, bavail, files, ffree, favail, … each 8 bytes on 64 bits.
        var buffer = stackalloc ulong[32];
        return StatFileSystem(path, buffer) == 0 ? ((long)(buffer[1] * buffer[4]), (long)buffer[7], (long)buffer[5]) : null;
    }

    /// <summary>The system's sentence for an errno.</summary>
    public static string Describe(int error) => Marshal.GetPInvokeErrorMessage(error);

    /// <summary>The system's sentence for the last failed call.</summary>
    public static string DescribeLast() => Describe(Marshal.GetLastPInvokeError());
}
