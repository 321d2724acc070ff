using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Shim.Protocol;

/// <summary>
/// The bytes of a spool: segments of records <c>u32 crc32c(of the rest) | u32 length | u64 sequence | u64 (unix µs &lt;&lt; 8 | stream) | payload</c>,
/// little endian. Each segment begins with a record of stream 0 that says how much came before it.
/// </summary>
internal static class SpoolFormat
{
    public const int HeaderSize = 24;
    public const int LongestPayload = 1 << 20;

    /// <summary>Bytes of a segment; one that is longer was not written by a spool's writer.</summary>
    public const int LongestSegment = 8 << 20;

    public const byte SegmentStart = 0;
    public const int SegmentStartSize = HeaderSize + 24;
    private const string Suffix = ".spool";

    public static string PathOf(string directory, long segment) =>
        Path.Combine(directory, segment.ToString("D10", CultureInfo.InvariantCulture) + Suffix);

    /// <summary>Opens a segment as it is written, or taken away, by others; null: it is not there.</summary>
    public static SafeFileHandle? FindSegment(string path)
    {
        try
        {
            return File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception ex) when (ex is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Numbers of the segments that are there, ascending.</summary>
    public static List<long> ListSegments(string directory)
    {
        var segments = new List<long>();
        try
        {
            foreach (var path in Directory.Exists(directory) ? Directory.EnumerateFiles(directory, "*" + Suffix) : [])
            {
                if (long.TryParse(Path.GetFileNameWithoutExtension(path.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var segment))
                {
                    segments.Add(segment);
                }
            }
        }
        catch (UnauthorizedAccessException)
        {
            // A command of the same account took the rights to it; what is in it is seen when they are given back.
        }

        segments.Sort();
        return segments;
    }

    /// <summary>Fills the header of a record whose payload already stands behind it.</summary>
    public static void Seal(Span<byte> record, long sequence, DateTimeOffset time, byte stream)
    {
        var micros = (time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], (uint)(record.Length - HeaderSize));
        BinaryPrimitives.WriteInt64LittleEndian(record[8..], sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(record[16..], ((ulong)micros << 8) | stream);
        BinaryPrimitives.WriteUInt32LittleEndian(record, Crc(record[4..]));
    }

    /// <summary>Length of the whole record at the front, 0 when there is no whole and sound one.</summary>
    public static int Measure(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderSize)
        {
            return 0;
        }

        var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
        if (length > LongestPayload || bytes.Length < HeaderSize + (int)length)
        {
            return 0;
        }

        var whole = HeaderSize + (int)length;
        return Crc(bytes[4..whole]) == BinaryPrimitives.ReadUInt32LittleEndian(bytes) ? whole : 0;
    }

    public static long SequenceOf(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadInt64LittleEndian(record[8..]);

    public static byte StreamOf(ReadOnlySpan<byte> record) => record[16];

    public static DateTimeOffset TimeOf(ReadOnlySpan<byte> record) =>
        DateTimeOffset.UnixEpoch.AddTicks((long)(BinaryPrimitives.ReadUInt64LittleEndian(record[16..]) >> 8) * TimeSpan.TicksPerMicrosecond);

    public static void WriteSegmentStart(Span<byte> record, SpoolTotals before, DateTimeOffset time)
    {
        BinaryPrimitives.WriteInt64LittleEndian(record[HeaderSize..], before.Records);
        BinaryPrimitives.WriteInt64LittleEndian(record[(HeaderSize + 8)..], before.Bytes);
        BinaryPrimitives.WriteInt64LittleEndian(record[(HeaderSize + 16)..], before.Lines);
        Seal(record[..SegmentStartSize], before.Records, time, SegmentStart);
    }

    /// <summary>What this record adds to the totals; for a segment's start record: what the totals are there.</summary>
    public static SpoolTotals TotalsAfter(ReadOnlySpan<byte> record, SpoolTotals before)
    {
        var payload = record[HeaderSize..];
        return StreamOf(record) == SegmentStart && payload.Length >= 24
            ? new SpoolTotals(BinaryPrimitives.ReadInt64LittleEndian(payload), BinaryPrimitives.ReadInt64LittleEndian(payload[8..]), BinaryPrimitives.ReadInt64LittleEndian(payload[16..]))
            : before + TotalsOf(payload);
    }

    public static SpoolTotals TotalsOf(ReadOnlySpan<byte> payload) => new(1, payload.Length, payload.Count((byte)'\n'));

    // Starting from all ones makes a zeroed tail fail the check.
    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = ~0u;
        foreach (var word in MemoryMarshal.Cast<byte, ulong>(bytes))
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (var value in bytes[(bytes.Length & ~7)..])
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return ~crc;
    }
}
