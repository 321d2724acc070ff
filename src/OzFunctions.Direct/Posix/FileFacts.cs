namespace OzFunctions.Direct.Posix;

/// <summary>What the kernel says of a file, link or directory itself.</summary>
/// <param name="Birth">When it was made, in nanoseconds since 1970; 0 where the file system does not know.</param>
internal readonly record struct FileFacts(uint Mode, uint Owner, uint Group, ulong Inode, long Length, ulong Device, bool IsMountRoot, long Birth = 0)
{
    private const uint TypeMask = 0xF000;
    private const ulong MountRootAttribute = 0x2000;
    private const uint BirthMask = 0x800;

    public bool IsRegular => (Mode & TypeMask) == 0x8000;

    public bool IsDirectory => (Mode & TypeMask) == 0x4000;

    public bool IsLink => (Mode & TypeMask) == 0xA000;

    public bool IsSocket => (Mode & TypeMask) == 0xC000;

    /// <summary>The kind as people call it.</summary>
    public string Kind => (Mode & TypeMask) switch
    {
        0x8000 => "a file",
        0x4000 => "a directory",
        0xA000 => "a symbolic link",
        0x1000 => "a fifo",
        0xC000 => "a socket",
        0x2000 or 0x6000 => "a device",
        _ => "something unknown",
    };

    internal static unsafe FileFacts Read(byte* statx) => new(
        *(ushort*)(statx + 28),
        *(uint*)(statx + 20),
        *(uint*)(statx + 24),
        *(ulong*)(statx + 32),
        (long)*(ulong*)(statx + 40),
        ((ulong)*(uint*)(statx + 136) << 32) | *(uint*)(statx + 140),
        (*(ulong*)(statx + 8) & MountRootAttribute) != 0,
        (*(uint*)statx & BirthMask) == 0 ? 0 : (*(long*)(statx + 80) * 1_000_000_000) + *(uint*)(statx + 88));
}
