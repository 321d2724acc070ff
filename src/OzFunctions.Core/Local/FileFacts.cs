using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Local;

/// <summary>What the file system says of one file, by <c>statx</c>: the same layout on every processor.</summary>
public readonly record struct FileFacts
{
    private const int Size = 256;
    private const int KindMask = 0xf000;

    public required FileIdentity Identity { get; init; }

    public required long Length { get; init; }

    /// <summary>Time of the last change of content, in ticks of UTC (100 ns).</summary>
    public required long ModifiedTicks { get; init; }

    public required bool IsDirectory { get; init; }

    public required bool IsFile { get; init; }

    /// <summary>Follows links.</summary>
    public static unsafe PosixError Find(string path, out FileFacts facts)
    {
        if (!HostSystem.IsLinux)
        {
            return PortableFiles.Find(path, out facts);
        }

        var buffer = stackalloc byte[Size];
        var error = PosixError.Of(Libc.Statx(Libc.CurrentDirectory, path, 0, Libc.BasicStats, buffer));
        facts = error.Ok ? Read(new ReadOnlySpan<byte>(buffer, Size)) : default;
        return error;
    }

    public static unsafe PosixError Find(SafeFileHandle file, out FileFacts facts)
    {
        if (!HostSystem.IsLinux)
        {
            return PortableFiles.Find(file, out facts);
        }

        var buffer = stackalloc byte[Size];
        var error = PosixError.Of(Libc.Statx(file, "", Libc.EmptyPath, Libc.BasicStats, buffer));
        facts = error.Ok ? Read(new ReadOnlySpan<byte>(buffer, Size)) : default;
        return error;
    }

    private static FileFacts Read(ReadOnlySpan<byte> statx)
    {
        var kind = U16(statx, 28) & KindMask;
        return new()
        {
            Identity = new(U32(statx, 136), U32(statx, 140), U64(statx, 32), Ticks(statx, 80)),
            Length = (long)U64(statx, 40),
            ModifiedTicks = Ticks(statx, 112),
            IsDirectory = kind == 0x4000,
            IsFile = kind == 0x8000,
        };
    }

    private static long Ticks(ReadOnlySpan<byte> statx, int at) =>
        DateTime.UnixEpoch.Ticks + ((long)U64(statx, at) * TimeSpan.TicksPerSecond) + (U32(statx, at + 8) / TimeSpan.NanosecondsPerTick);

    private static ushort U16(ReadOnlySpan<byte> statx, int at) => BitConverter.IsLittleEndian
        ? BinaryPrimitives.ReadUInt16LittleEndian(statx[at..]) : BinaryPrimitives.ReadUInt16BigEndian(statx[at..]);

    private static uint U32(ReadOnlySpan<byte> statx, int at) => BitConverter.IsLittleEndian
        ? BinaryPrimitives.ReadUInt32LittleEndian(statx[at..]) : BinaryPrimitives.ReadUInt32BigEndian(statx[at..]);

    private static ulong U64(ReadOnlySpan<byte> statx, int at) => BitConverter.IsLittleEndian
        ? BinaryPrimitives.ReadUInt64LittleEndian(statx[at..]) : BinaryPrimitives.ReadUInt64BigEndian(statx[at..]);
}

/// <summary>Tells a file from every other, also from a later one that got its inode number again.</summary>
public readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode, long BornTicks);
