using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Shim.Protocol;

/// <summary>
/// Follows a spool while it is written, in this process or another one. A torn or half-written end reads as "nothing more yet"; what was cut is told with the
/// piece that comes after it.
/// </summary>
public sealed class SpoolReader : IDisposable
{
    /// <summary>Room for a piece of a writer, and small enough to be collected soon: a spool that holds nothing yet takes none.</summary>
    private const int FirstRoom = 72 << 10;

    private readonly string _directory;
    private readonly Func<string, SafeFileHandle?> _find;
    private byte[] _buffer = [];
    private int _start;
    private int _end;
    private SafeFileHandle? _file;
    private long _segment;
    private long _offset;
    private SpoolTotals? _seen;
    private SpoolTotals _cut;
    private bool _lookedTwice;

    /// <summary>
    /// Starts at a position that a record's <see cref="SpoolRecord.End"/> gave, or at <see cref="SpoolPosition.Start"/>. When the segment was cut meanwhile it goes on
    /// behind the cut, and what that cut is said to hold then includes the pieces that had been read from it.
    /// </summary>
    public SpoolReader(string directory, SpoolPosition from)
        : this(directory, from, SpoolFormat.FindSegment)
    {
    }

    /// <param name="directory">Of the spool.</param>
    /// <param name="from">Where to begin.</param>
    /// <param name="find">Opens a segment; one for which it answers null is passed over.</param>
    internal SpoolReader(string directory, SpoolPosition from, Func<string, SafeFileHandle?> find)
    {
        _directory = directory;
        _find = find;
        _segment = from.Segment;
        _offset = from.Offset;
        _seen = TotalsAt(from);
    }

    /// <summary>Behind the last piece that was read.</summary>
    public SpoolPosition Position => new(_segment, _offset);

    /// <summary>Reads the next piece; false when there is none yet.</summary>
    public bool TryRead(out SpoolRecord record)
    {
        record = default;
        while (true)
        {
            if (_file is null && !TryOpen())
            {
                return false;
            }

            var length = Fill();
            if (length == 0)
            {
                if (!TryMoveOn())
                {
                    return false;
                }

                continue;
            }

            _lookedTwice = false;
            var bytes = _buffer.AsMemory(_start, length);
            var start = Position;
            _start += length;
            _offset += length;
            var after = SpoolFormat.TotalsAfter(bytes.Span, _seen ?? default);
            if (SpoolFormat.StreamOf(bytes.Span) == SpoolFormat.SegmentStart)
            {
                _cut += after - (_seen ?? after);
                _seen = after;
                continue;
            }

            _seen = after;
            record = new SpoolRecord
            {
                Stream = (SpoolStream)SpoolFormat.StreamOf(bytes.Span),
                Time = SpoolFormat.TimeOf(bytes.Span),
                Sequence = SpoolFormat.SequenceOf(bytes.Span),
                Bytes = bytes[SpoolFormat.HeaderSize..],
                Start = start,
                End = Position,
                Cut = _cut,
            };
            _cut = default;
            return true;
        }
    }

    public void Dispose() => _file?.Dispose();

    private SpoolTotals? TotalsAt(SpoolPosition from)
    {
        if (from == SpoolPosition.Start)
        {
            return default(SpoolTotals);
        }

        if (File.Exists(SpoolFormat.PathOf(_directory, from.Segment)))
        {
            return SpoolScan.TryTotals(_directory, from, _find, out var totals) ? totals : null;
        }

        return SpoolScan.ToEndOf(_directory, SpoolFormat.ListSegments(_directory).FindAll(segment => segment < from.Segment), _find);
    }

    private bool TryOpen()
    {
        while ((_file = _find(SpoolFormat.PathOf(_directory, _segment))) is null)
        {
            if (Next() is not { } next)
            {
                return false;
            }

            _segment = next;
            _offset = 0;
        }

        return true;
    }

    /// <summary>Length of the whole record at the front of the buffer after reading on where needed; 0: none.</summary>
    private int Fill()
    {
        while (true)
        {
            var length = SpoolFormat.Measure(_buffer.AsSpan(_start, _end - _start));
            if (length > 0)
            {
                return length;
            }

            if (_start > 0)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                _end -= _start;
                _start = 0;
            }

            if (_end == _buffer.Length)
            {
                if (_end > SpoolFormat.HeaderSize + SpoolFormat.LongestPayload)
                {
                    _end = _start;
                    return 0;
                }

                Array.Resize(ref _buffer, Math.Max(FirstRoom, _buffer.Length * 2));
            }

            var read = RandomAccess.Read(_file!, _buffer.AsSpan(_end), _offset + _end);
            if (read == 0)
            {
                // What did not check out may have been half-written when it was read: read it again next time.
                _end = _start;
                return 0;
            }

            _end += read;
        }
    }

    /// <summary>Goes to the next segment when there is one; before it does, the end of this one is read once more.</summary>
    private bool TryMoveOn()
    {
        if (Next() is not { } next)
        {
            _lookedTwice = false;
            return false;
        }

        if (!_lookedTwice)
        {
            // The writer may have written between our last read and the listing.
            _lookedTwice = true;
            return true;
        }

        _lookedTwice = false;
        _file!.Dispose();
        _file = null;
        _segment = next;
        _offset = 0;
        _start = _end = 0;
        return true;
    }

    private long? Next()
    {
        foreach (var segment in SpoolFormat.ListSegments(_directory))
        {
            if (segment > _segment)
            {
                return segment;
            }
        }

        return null;
    }
}
