using System.Buffers.Binary;
using System.Text;
using OzFunctions.Direct.Posix;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>
/// The host's own spool. Each record says behind which position of the shim's spool it belongs, so that both can be merged the same way again.
/// Payload: <c>u8 phase that ends, 0: text | i64 segment | i64 offset | text</c>.
/// </summary>
internal sealed class HostLines : IDisposable
{
    public const int HeaderSize = 17;
    private const string DirectoryName = "hostlog";
    private const long SpoolBytes = 32 << 20;
    private const int LongestText = 32 << 10;
    private readonly SpoolWriter _writer;

    public HostLines(string privateDirectory, TimeProvider time)
    {
        var directory = DirectoryOf(privateDirectory);
        using (var reader = new SpoolReader(directory, SpoolPosition.Start, RegularFile.FindSegment))
        {
            while (reader.TryRead(out var record))
            {
                End = record.End;
                Place = PlaceOf(record.Bytes.Span);
            }
        }

        _writer = new SpoolWriter(directory, SpoolBytes, time, RegularFile.FindSegment);
    }

    /// <summary>Behind the last record.</summary>
    public SpoolPosition End { get; private set; }

    /// <summary>Where the last record belongs in the shim's spool.</summary>
    public SpoolPosition Place { get; private set; }

    public static string DirectoryOf(string privateDirectory) => Path.Combine(privateDirectory, DirectoryName);

    public static SpoolPosition PlaceOf(ReadOnlySpan<byte> payload) => payload.Length < HeaderSize
        ? SpoolPosition.Start
        : new SpoolPosition(BinaryPrimitives.ReadInt64LittleEndian(payload[1..]), BinaryPrimitives.ReadInt64LittleEndian(payload[9..]));

    /// <summary>Adds whole lines. Throws <see cref="IOException"/> when the disk refuses them.</summary>
    public void Add(string message, SpoolPosition place)
    {
        var text = Encoding.UTF8.GetBytes(message.TrimEnd('\n') + "\n");
        for (var rest = text.AsSpan(); !rest.IsEmpty; rest = rest[Math.Min(rest.Length, LongestText)..])
        {
            Write(0, place, rest[..Math.Min(rest.Length, LongestText)]);
        }
    }

    /// <summary>Marks that a phase is over, so that its unfinished lines end here.</summary>
    public void AddEnd(byte phase, SpoolPosition place) => Write(phase, place, []);

    public void Dispose() => _writer.Dispose();

    private void Write(byte phase, SpoolPosition place, ReadOnlySpan<byte> text)
    {
        var room = _writer.Room;
        room[0] = phase;
        BinaryPrimitives.WriteInt64LittleEndian(room[1..], place.Segment);
        BinaryPrimitives.WriteInt64LittleEndian(room[9..], place.Offset);
        text.CopyTo(room[HeaderSize..]);
        _writer.Commit(SpoolStream.Host, HeaderSize + text.Length);
        End = _writer.Position;
        Place = place;
    }
}
