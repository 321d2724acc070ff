using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>Numbered lines on their way into the blob, up to a limit.</summary>
internal sealed class LogBatch : ILineSink
{
    private readonly LogBuffer _buffer = new();
    private readonly LogLineWriter _writer;
    private long _skip;
    private long _room;

    public LogBatch() => _writer = new LogLineWriter(_buffer);

    public ReadOnlyMemory<byte> Content => _buffer.Memory;

    public int Length => _buffer.Length;

    /// <summary>Number of the next line.</summary>
    public long N { get; private set; }

    /// <summary>Lines in this batch.</summary>
    public long Lines { get; private set; }

    public long CutBytes { get; private set; }

    /// <summary>A line did not fit; it and all that follow are not taken.</summary>
    public bool Full { get; private set; }

    public void Start(LogState from, long skip, long room)
    {
        Clear();
        N = from.N;
        CutBytes = from.CutBytes;
        _skip = skip;
        _room = room;
        Full = false;
    }

    /// <summary>The content is appended.</summary>
    public void Clear()
    {
        _room -= _buffer.Length;
        _buffer.CutTo(0);
        Lines = 0;
    }

    public void OnLine(SpoolStream stream, DateTimeOffset time, ReadOnlySpan<byte> line, bool continued)
    {
        if (Takes())
        {
            var before = _buffer.Length;
            _writer.Line(N, stream, time, line, continued);
            Count(before);
        }
    }

    public void OnCut(long lines, long bytes)
    {
        if (Takes() && AddCut(lines, bytes))
        {
            CutBytes += bytes;
        }
    }

    /// <summary>Writes the line that stands for what was left out; answers whether it fitted.</summary>
    public bool AddCut(long lines, long bytes)
    {
        var before = _buffer.Length;
        _writer.Cut(N, lines, bytes);
        return Count(before);
    }

    /// <summary>Counts what the tail leaves out.</summary>
    public void LeaveOut(long bytes) => CutBytes += bytes;

    private bool Takes()
    {
        if (Full)
        {
            return false;
        }

        if (_skip > 0)
        {
            _skip--;
            return false;
        }

        return true;
    }

    private bool Count(int before)
    {
        if (_buffer.Length > _room)
        {
            _buffer.CutTo(before);
            Full = true;
            return false;
        }

        N++;
        Lines++;
        return true;
    }
}
