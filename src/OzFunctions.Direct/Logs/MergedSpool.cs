using OzFunctions.Direct.Posix;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>Reads the shim's spool and the host's as one, always in the same order, from any pair of positions on.</summary>
internal sealed class MergedSpool(string privateDirectory, SpoolPosition spool, SpoolPosition host) : IDisposable
{
    private readonly SpoolReader _spoolReader = new(Path.Combine(privateDirectory, ShimProtocol.SpoolDirectory), spool, RegularFile.FindSegment);
    private readonly SpoolReader _hostReader = new(HostLines.DirectoryOf(privateDirectory), host, RegularFile.FindSegment);
    private SpoolRecord? _output;
    private SpoolRecord? _host;

    /// <summary>Behind the last piece of the shim's spool that was given out.</summary>
    public SpoolPosition Spool { get; private set; } = spool;

    /// <summary>Behind the last piece of the host's spool that was given out.</summary>
    public SpoolPosition Host { get; private set; } = host;

    /// <summary>The next piece within the limits. Its bytes are valid until the next call.</summary>
    public bool TryRead(LogLimits to, out LogPiece piece)
    {
        _output ??= ReadNext(_spoolReader, Spool, to.Spool);
        _host ??= ReadNext(_hostReader, Host, to.Host);
        SpoolRecord? output = _output is { } some && some.End.CompareTo(to.Spool) <= 0 ? some : null;
        SpoolRecord? line = _host is { } other && other.End.CompareTo(to.Host) <= 0 ? other : null;

        if (line is { } ours && Belongs(HostLines.PlaceOf(ours.Bytes.Span), output, to))
        {
            _host = null;
            Host = ours.End;
            var payload = ours.Bytes;
            var text = payload.Length < HostLines.HeaderSize ? default : payload[HostLines.HeaderSize..];
            piece = new LogPiece(SpoolStream.Host, ours.Time, text) { EndsPhase = payload.Span[0] };
            return true;
        }

        if (output is { } next)
        {
            _output = null;
            Spool = next.End;
            piece = new LogPiece(next.Stream, next.Time, next.Bytes) { CutLines = next.Cut.Lines, CutBytes = next.Cut.Bytes };
            return true;
        }

        piece = default;
        return false;
    }

    public void Dispose()
    {
        _spoolReader.Dispose();
        _hostReader.Dispose();
    }

    /// <summary>Whether a line of the host stands before the shim's next piece, or directly behind all that may be read.</summary>
    private static bool Belongs(SpoolPosition place, SpoolRecord? output, LogLimits to) =>
        output is { } next ? place.CompareTo(next.Start) <= 0 : to.Final || place.CompareTo(to.Spool) <= 0;

    private static SpoolRecord? ReadNext(SpoolReader reader, SpoolPosition at, SpoolPosition to) =>
        at.CompareTo(to) < 0 && reader.TryRead(out var record) ? record : null;
}
