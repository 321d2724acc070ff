namespace OzFunctions.Direct.Shims;

/// <summary>The number that a shim and all that it started carry in a limit which the kernel enforces nowhere (facts/shim.md section 8).</summary>
internal static class ShimTag
{
    private static readonly byte[] Locks = [.. "Max file locks"u8];
    private static readonly byte[] ResidentSize = [.. "Max resident set"u8];

    /// <summary>The tag of a process itself; 0: it has none, or is gone.</summary>
    public static long Find(int pid)
    {
        Span<byte> room = stackalloc byte[4096];
        return Values(Read(pid, room), Locks).Hard;
    }

    /// <summary>Whether a process belongs to the shim of that tag, or to one inside it.</summary>
    public static bool IsOn(int pid, long tag)
    {
        Span<byte> room = stackalloc byte[4096];
        var limits = Read(pid, room);

        // Its own tag is the hard value, as a process may lower its soft one; a shim inside carries the tags of those around it in both values of another limit.
        return Values(limits, Locks).Hard == tag || (Values(limits, ResidentSize) is var (soft, hard) && (soft == tag || hard == tag));
    }

    private static ReadOnlySpan<byte> Read(int pid, Span<byte> room) => room[..ShimLibc.ReadFile($"/proc/{pid}/limits", room)];

    /// <summary>Soft and hard value of a limit; 0: unlimited, or not told.</summary>
    private static (long Soft, long Hard) Values(ReadOnlySpan<byte> text, ReadOnlySpan<byte> limit)
    {
        var at = text.IndexOf(limit);
        if (at < 0)
        {
            return default;
        }

        var columns = text[(at + limit.Length)..].TrimStart((byte)' ');
        var blank = columns.IndexOf((byte)' ');
        if (blank < 0)
        {
            return default;
        }

        _ = System.Buffers.Text.Utf8Parser.TryParse(columns[..blank], out long soft, out _);
        _ = System.Buffers.Text.Utf8Parser.TryParse(columns[blank..].TrimStart((byte)' '), out long hard, out _);
        return (soft, hard);
    }
}
