using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>Takes lines as <see cref="LineJoiner"/> finds them, in the order in which they became whole.</summary>
internal interface ILineSink
{
    /// <summary>A line without its end; <paramref name="continued"/>: only a part of a long one, the rest follows.</summary>
    void OnLine(SpoolStream stream, DateTimeOffset time, ReadOnlySpan<byte> line, bool continued);

    /// <summary>Output that is lost at this place.</summary>
    void OnCut(long lines, long bytes);
}
