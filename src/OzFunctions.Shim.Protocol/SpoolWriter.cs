using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Shim.Protocol;

/// <summary>
/// Appends pieces of output to a spool directory, for one writer at a time. Of what does not fit it keeps the first half and the newest half, by whole
/// segments, so that nothing is ever rewritten. A piece is safe from a crash of this process once <see cref="Append"/> returns.
/// </summary>
public sealed class SpoolWriter : IDisposable
{
    private readonly string _directory;
    private readonly TimeProvider _time;
    private readonly byte[] _record;
    private readonly long _segmentBytes;
    private readonly long _headSegments;
    private readonly Func<bool> _regain;
    private readonly Queue<long> _tail = new();
    private SafeFileHandle? _file;
    private long _segment;
    private long _offset;
    private SpoolTotals _totals;

    /// <summary>Goes on behind what is there; a torn end stays where it is and is skipped by readers.</summary>
    public SpoolWriter(string directory, long spoolBytes, TimeProvider time)
        : this(directory, spoolBytes, time, SpoolFormat.FindSegment)
    {
    }

    /// <param name="directory">Of the spool.</param>
    /// <param name="spoolBytes">How much of it is kept.</param>
    /// <param name="time">The clock of its pieces.</param>
    /// <param name="find">Opens a segment that is there; one for which it answers null is passed over.</param>
    /// <param name="regain">Asked when the directory takes no file any more for want of rights; whether it may be tried once more. Default: no.</param>
    internal SpoolWriter(string directory, long spoolBytes, TimeProvider time, Func<string, SafeFileHandle?> find, Func<bool>? regain = null)
    {
        _regain = regain ?? (() => false);
        _directory = directory;
        _time = time;
        _segmentBytes = Math.Clamp(spoolBytes / 16, 4 << 10, SpoolFormat.LongestSegment);
        _headSegments = Math.Max(1, spoolBytes / 2 / _segmentBytes);
        _record = new byte[SpoolFormat.HeaderSize + (int)Math.Min(64 << 10, _segmentBytes)];

        CreatePrivate(directory);
        var there = SpoolFormat.ListSegments(directory);
        if (there.Count > 0)
        {
            _segment = there[^1] + 1;
            _totals = SpoolScan.ToEndOf(directory, there, find);
            there.Where(segment => segment >= _headSegments).ToList().ForEach(_tail.Enqueue);
        }
    }

    /// <summary>Where the next piece will stand; all before it can be read.</summary>
    public SpoolPosition Position => new(_segment, _offset);

    /// <summary>Everything that was appended, what was cut included.</summary>
    public SpoolTotals Totals => _totals;

    /// <summary>Room for one piece, for callers that read straight into it before <see cref="Commit"/>.</summary>
    public Span<byte> Room => _record.AsSpan(SpoolFormat.HeaderSize);

    /// <summary>Appends, in several pieces when it is long.</summary>
    public void Append(SpoolStream stream, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var piece = bytes[..Math.Min(bytes.Length, Room.Length)];
            piece.CopyTo(Room);
            Commit(stream, piece.Length);
            bytes = bytes[piece.Length..];
        }
    }

    /// <summary>Appends the first bytes of <see cref="Room"/>. Throws <see cref="IOException"/> when the disk refuses them: they are then counted as cut.</summary>
    public void Commit(SpoolStream stream, int count)
    {
        var added = SpoolFormat.TotalsOf(Room[..count]);
        try
        {
            if (_file is not null && _offset > SpoolFormat.SegmentStartSize && _offset + SpoolFormat.HeaderSize + count > _segmentBytes)
            {
                CloseSegment();
            }

            if (_offset == 0)
            {
                OpenSegment();
            }

            var record = _record.AsSpan(0, SpoolFormat.HeaderSize + count);
            SpoolFormat.Seal(record, _totals.Records, _time.GetUtcNow(), (byte)stream);
            RandomAccess.Write(_file!, record, _offset);
            _offset += record.Length;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // The next segment's start record says what is missing here.
            if (_offset > 0)
            {
                CloseSegment();
            }

            throw new IOException($"The spool {_directory} does not take output: {ex.Message}", ex);
        }
        finally
        {
            _totals += added;
        }
    }

    /// <summary>Makes everything safe from a loss of power.</summary>
    public void FlushToDisk()
    {
        if (_file is not null)
        {
            RandomAccess.FlushToDisk(_file);
        }
    }

    public void Dispose() => _file?.Dispose();

    private static void CreatePrivate(string directory)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(directory);
        }
        else
        {
            // What is in it is not masked yet.
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    private void OpenSegment()
    {
        Span<byte> start = stackalloc byte[SpoolFormat.SegmentStartSize];
        SpoolFormat.WriteSegmentStart(start, _totals, _time.GetUtcNow());

        // One whose start record the disk refused stays: a file for each refused piece would fill the directory, and a reader may hold it open already.
        _file ??= CreateSegment();
        RandomAccess.Write(_file, start, 0);
        _offset = start.Length;
        if (_segment >= _headSegments)
        {
            _tail.Enqueue(_segment);
            if (_tail.Count > _headSegments)
            {
                File.Delete(SpoolFormat.PathOf(_directory, _tail.Dequeue()));
            }
        }
    }

    private SafeFileHandle CreateSegment()
    {
        try
        {
            return Create();
        }
        catch (UnauthorizedAccessException) when (_regain())
        {
            return Create();
        }

        SafeFileHandle Create() => File.OpenHandle(SpoolFormat.PathOf(_directory, _segment), FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
    }

    private void CloseSegment()
    {
        _file!.Dispose();
        _file = null;
        _segment++;
        _offset = 0;
    }
}
