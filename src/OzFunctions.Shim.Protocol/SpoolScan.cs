using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Shim.Protocol;

/// <summary>Adds up what segments hold, for a reader or writer that starts in the middle.</summary>
internal static class SpoolScan
{
    /// <summary>Totals after the last readable record of the newest segment that has one.</summary>
    public static SpoolTotals ToEndOf(string directory, IReadOnlyList<long> segments, Func<string, SafeFileHandle?> find)
    {
        for (var i = segments.Count - 1; i >= 0; i--)
        {
            if (TryTotals(directory, new SpoolPosition(segments[i], long.MaxValue), find, out var totals))
            {
                return totals;
            }
        }

        return default;
    }

    /// <summary>Totals at a position; false when its segment is not there or has no sound start.</summary>
    public static bool TryTotals(string directory, SpoolPosition position, Func<string, SafeFileHandle?> find, out SpoolTotals totals)
    {
        totals = default;
        using var file = find(SpoolFormat.PathOf(directory, position.Segment));
        if (file is null)
        {
            return false;
        }

        var bytes = new byte[Math.Min(RandomAccess.GetLength(file), Math.Min(position.Offset, SpoolFormat.LongestSegment))];
        for (int read, at = 0; at < bytes.Length && (read = RandomAccess.Read(file, bytes.AsSpan(at), at)) > 0; at += read)
        {
        }

        var found = false;
        var rest = bytes.AsSpan();
        for (int length; (length = SpoolFormat.Measure(rest)) > 0; rest = rest[length..])
        {
            totals = SpoolFormat.TotalsAfter(rest[..length], totals);
            found = true;
        }

        return found;
    }
}
