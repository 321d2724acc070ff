using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>Shows whole lines of the agent to an observer. A line too long to be held is not shown.</summary>
internal sealed class AgentLines(IAgentLineObserver observer) : ILineSink
{
    public const int LongestLine = 4 << 20;
    private readonly HashSet<SpoolStream> _inLongLine = [];

    public void OnLine(SpoolStream stream, DateTimeOffset time, ReadOnlySpan<byte> line, bool continued)
    {
        if (continued)
        {
            _inLongLine.Add(stream);
        }
        else if (!_inLongLine.Remove(stream))
        {
            observer.OnLine(stream, line);
        }
    }

    public void OnCut(long lines, long bytes) => _inLongLine.Clear();
}
