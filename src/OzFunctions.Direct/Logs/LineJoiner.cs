using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>
/// Makes lines of pieces, for each stream by itself. Where the pieces were cut makes no difference to the lines: long ones are split by their own
/// bytes, never inside a UTF-8 character, and a carriage return before the line feed belongs to the line end.
/// </summary>
internal sealed class LineJoiner(int longest, ILineSink sink)
{
    private const int Streams = 16;
    private readonly LogBuffer?[] _open = new LogBuffer?[Streams];
    private readonly DateTimeOffset[] _times = new DateTimeOffset[Streams];

    /// <summary>The unfinished line of a stream.</summary>
    public ReadOnlyMemory<byte> OpenOf(SpoolStream stream) => _open[(int)stream]?.Memory ?? default;

    public DateTimeOffset TimeOf(SpoolStream stream) => _times[(int)stream];

    public void Add(SpoolStream stream, DateTimeOffset time, ReadOnlySpan<byte> bytes)
    {
        var open = _open[(int)stream];
        for (int end; (end = bytes.IndexOf((byte)'\n')) >= 0; bytes = bytes[(end + 1)..])
        {
            if (open is null or { Length: 0 })
            {
                Finish(stream, time, Trim(bytes[..end]));
                continue;
            }

            open.Append(bytes[..end]);
            Finish(stream, _times[(int)stream], Trim(open.Span));
            open.CutTo(0);
        }

        if (bytes.IsEmpty)
        {
            return;
        }

        open ??= _open[(int)stream] = new LogBuffer();
        if (open.Length == 0)
        {
            _times[(int)stream] = time;
        }

        open.Append(bytes);
        SplitOpen(stream, time, open);
    }

    /// <summary>Says when the next line began, as long as nothing of it is there.</summary>
    public void Date(SpoolStream stream, DateTimeOffset time) => _times[(int)stream] = time;

    /// <summary>The stream is over: its unfinished line is a line.</summary>
    public void End(SpoolStream stream)
    {
        if (_open[(int)stream] is { Length: > 0 } open)
        {
            Finish(stream, _times[(int)stream], open.Span);
            open.CutTo(0);
        }
    }

    /// <summary>Forgets a stream's unfinished line; answers how long it was.</summary>
    public int Drop(SpoolStream stream)
    {
        var length = _open[(int)stream]?.Length ?? 0;
        _open[(int)stream]?.CutTo(0);
        return length;
    }

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> line) => line is [.., (byte)'\r'] ? line[..^1] : line;

    private void Finish(SpoolStream stream, DateTimeOffset time, ReadOnlySpan<byte> line)
    {
        while (line.Length > longest)
        {
            var cut = CutIn(line);
            sink.OnLine(stream, time, line[..cut], continued: true);
            line = line[cut..];
        }

        sink.OnLine(stream, time, line, continued: false);
    }

    private void SplitOpen(SpoolStream stream, DateTimeOffset time, LogBuffer open)
    {
        var taken = 0;

        // A carriage return directly behind a full part may be half a line end: then this part is the last one.
        for (var rest = open.Span; rest.Length > longest + 1 || (rest.Length == longest + 1 && rest[^1] != '\r'); rest = open.Span[taken..])
        {
            var cut = CutIn(rest);
            sink.OnLine(stream, _times[(int)stream], rest[..cut], continued: true);
            _times[(int)stream] = time;
            taken += cut;
        }

        if (taken > 0)
        {
            open.DropFirst(taken);
        }
    }

    /// <summary>Where a part ends: at the limit, or before the character that stands across it.</summary>
    private int CutIn(ReadOnlySpan<byte> line)
    {
        var start = longest;
        while (start > longest - 3 && start > 0 && (line[start] & 0xC0) == 0x80)
        {
            start--;
        }

        var size = line[start] switch { >= 0xF0 => 4, >= 0xE0 => 3, >= 0xC0 => 2, _ => 1 };
        return start > 0 && start + size > longest ? start : longest;
    }
}
