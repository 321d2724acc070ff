using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>Pieces of output to lines: filter, join, end what is over. Depends on nothing but the pieces.</summary>
internal sealed class LogRenderer
{
    private readonly IOutputFilter _filter;
    private readonly ILineSink _sink;
    private readonly LineJoiner _joiner;
    private readonly LogBuffer _passed = new();
    private readonly HashSet<SpoolStream> _used = [];

    // Whose next bytes may be the rest of a line that is lost in part, and of a secret in it that the filter would not know.
    private readonly HashSet<SpoolStream> _torn;
    private long _cutLines;
    private long _cutBytes;
    private byte _phase;

    public LogRenderer(IOutputFilter filter, ILineSink sink, int longest, RenderState from)
    {
        _filter = filter;
        _sink = sink;
        _joiner = new LineJoiner(longest, sink);
        (_phase, _torn, _cutLines, _cutBytes) = (from.Phase, [.. from.Torn], from.CutLines, from.CutBytes);
        foreach (var open in from.Open)
        {
            _used.Add(open.Stream);
            _joiner.Add(open.Stream, open.Time, open.Line);
            Pass(open.Stream, open.Time, open.Held);
        }
    }

    public void Add(LogPiece piece)
    {
        if (piece.CutLines != 0 || piece.CutBytes != 0)
        {
            Cut(piece.CutLines, piece.CutBytes, piece.EndsPhase != 0 ? piece.EndsPhase : LogPhases.Of(piece.Stream));
        }

        if (piece.EndsPhase != 0)
        {
            TellCut();
            End(piece.EndsPhase);
            return;
        }

        var bytes = piece.Bytes.Span;
        if (_torn.Contains(piece.Stream))
        {
            bytes = bytes[DropRest(piece.Stream, bytes)..];
            if (bytes.IsEmpty)
            {
                return;
            }
        }

        TellCut();

        var phase = LogPhases.Of(piece.Stream);
        if (phase > _phase)
        {
            End((byte)(phase - 1));
            _phase = phase;
        }

        Pass(piece.Stream, piece.Time, bytes);

        // The shim and the host write whole sentences; the shim's have no line feed of their own.
        if (piece.Stream is SpoolStream.Shim || (piece.Stream is SpoolStream.Host && piece.Bytes.Span is [.., (byte)'\n']))
        {
            End(piece.Stream);
        }
    }

    /// <summary>All that a new renderer needs to go on behind the last piece.</summary>
    public RenderState Save() => new()
    {
        Phase = _phase,
        Torn = [.. _torn.Order()],
        CutLines = _cutLines,
        CutBytes = _cutBytes,
        Open = [.. _used.Order().Select(SaveOpen).Where(open => open.Line.Length > 0 || open.Held.Length > 0)],
    };

    private OpenLine SaveOpen(SpoolStream stream) => new()
    {
        Stream = stream,
        Time = _joiner.TimeOf(stream),
        Line = _joiner.OpenOf(stream).ToArray(),
        Held = _filter.Held(stream).ToArray(),
    };

    private void Pass(SpoolStream stream, DateTimeOffset time, ReadOnlySpan<byte> bytes)
    {
        _used.Add(stream);
        _passed.CutTo(0);
        var heldBefore = !_filter.Held(stream).IsEmpty;
        _filter.Write(stream, bytes, _passed);
        _joiner.Add(stream, time, _passed.Span);

        // A line of which all is held back is as old as its first byte, not as what comes after it.
        if (_joiner.OpenOf(stream).IsEmpty && !_filter.Held(stream).IsEmpty && !(heldBefore && _passed.Length == 0))
        {
            _joiner.Date(stream, time);
        }
    }

    private void End(byte phase)
    {
        if (_used.Count > 0)
        {
            foreach (var stream in LogPhases.UpTo(phase))
            {
                End(stream);
            }
        }
    }

    private void End(SpoolStream stream)
    {
        if (_used.Contains(stream))
        {
            _passed.CutTo(0);
            _filter.Complete(stream, _passed);
            _joiner.Add(stream, _joiner.TimeOf(stream), _passed.Span);
            _joiner.End(stream);
        }
    }

    /// <summary>An unfinished line is lost with its end, which is counted there, and what comes of a stream up to its next line end is lost with its beginning.</summary>
    /// <param name="lines">Line ends that are lost.</param>
    /// <param name="bytes">Bytes that are lost.</param>
    /// <param name="last">The phase of what stands behind the gap: later ones had not begun; 0: that is not known.</param>
    private void Cut(long lines, long bytes, byte last)
    {
        _cutLines += lines;
        _cutBytes += bytes;
        foreach (var stream in LogPhases.UpTo(last == 0 ? LogPhases.All : last).Where(stream => LogPhases.Of(stream) is var phase && phase != 0 && phase >= _phase))
        {
            _torn.Add(stream);
            if (_used.Contains(stream))
            {
                _passed.CutTo(0);
                _filter.Complete(stream, _passed);
                _cutBytes += _passed.Length + _joiner.Drop(stream);
            }
        }
    }

    /// <summary>Answers how many bytes belong to the line that is lost.</summary>
    private int DropRest(SpoolStream stream, ReadOnlySpan<byte> bytes)
    {
        var end = bytes.IndexOf((byte)'\n');
        if (end >= 0)
        {
            _torn.Remove(stream);
            _cutLines++;
        }

        var rest = end < 0 ? bytes.Length : end + 1;
        _cutBytes += rest;
        return rest;
    }

    /// <summary>One line of the log stands for all that is lost up to what is shown next.</summary>
    private void TellCut()
    {
        if (_cutLines != 0 || _cutBytes != 0)
        {
            _sink.OnCut(_cutLines, _cutBytes);
            (_cutLines, _cutBytes) = (0, 0);
        }
    }
}

/// <summary>The state of a <see cref="LogRenderer"/> between two pieces.</summary>
internal sealed record RenderState
{
    public static RenderState Empty { get; } = new();

    public byte Phase { get; init; }

    public IReadOnlyList<OpenLine> Open { get; init; } = [];

    /// <summary>Streams of which the rest of a line is still to be left out.</summary>
    public IReadOnlyList<SpoolStream> Torn { get; init; } = [];

    /// <summary>Lost lines that no line of the log stands for yet.</summary>
    public long CutLines { get; init; }

    public long CutBytes { get; init; }
}

/// <summary>An unfinished line, and what the filter holds back behind it.</summary>
internal sealed record OpenLine
{
    public required SpoolStream Stream { get; init; }

    public required DateTimeOffset Time { get; init; }

    public required byte[] Line { get; init; }

    public required byte[] Held { get; init; }
}
