using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>Finds out how many lines must be left out so that the rest fits, in memory that does not grow with the output.</summary>
internal sealed class TailMeasure : ILineSink
{
    private readonly LogBuffer _buffer = new();
    private readonly LogLineWriter _writer;
    private readonly Queue<Line> _kept = new();
    private readonly long _room;
    private long _skip;
    private long _size;

    // Numbers as if nothing were left out: never shorter than those that the lines will have.
    private long _n;

    public TailMeasure(long n, long skip, long room)
    {
        _writer = new LogLineWriter(_buffer);
        _n = n;
        _skip = skip;
        _room = room;
    }

    /// <summary>Lines of the log that are left out.</summary>
    public long LeftOut { get; private set; }

    /// <summary>Lines of output that are left out: the parts of a long one are one.</summary>
    public long CutLines { get; private set; }

    public long CutBytes { get; private set; }

    public void OnLine(SpoolStream stream, DateTimeOffset time, ReadOnlySpan<byte> line, bool continued)
    {
        _writer.Line(_n, stream, time, line, continued);
        Keep(new Line(_buffer.Length, continued ? 0 : 1, line.Length + (continued ? 0 : 1)));
    }

    public void OnCut(long lines, long bytes)
    {
        _writer.Cut(_n, lines, bytes);
        Keep(new Line(_buffer.Length, lines, bytes));
    }

    private void Keep(Line line)
    {
        _buffer.CutTo(0);
        if (_skip > 0)
        {
            _skip--;
            return;
        }

        _n++;
        _kept.Enqueue(line);
        for (_size += line.Size; _size > _room; LeftOut++)
        {
            var first = _kept.Dequeue();
            _size -= first.Size;
            CutLines += first.Lines;
            CutBytes += first.Bytes;
        }
    }

    private readonly record struct Line(int Size, long Lines, long Bytes);
}
