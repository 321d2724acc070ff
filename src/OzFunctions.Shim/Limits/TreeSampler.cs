using OzFunctions.Shim.Children;
using OzFunctions.Shim.Native;

namespace OzFunctions.Shim.Limits;

/// <summary>What all descendants use together.</summary>
/// <param name="Processes">That live.</param>
/// <param name="Memory">Bytes that belong to them alone: what they share with files or each other is not counted again and again.</param>
/// <param name="CpuSeconds">Since the command began, of those that have ended as well.</param>
internal readonly record struct TreeSample(int Processes, long Memory, double CpuSeconds);

/// <summary>Looks at the tree through <c>/proc</c>, in memory of its own.</summary>
internal sealed class TreeSampler(Descendants descendants)
{
    private const double TicksPerSecond = 100;
    private static readonly long PageSize = Environment.SystemPageSize;
    private readonly ProcFiles _proc = new();
    private double _cpu;

    public void Reset() => _cpu = 0;

    public unsafe TreeSample Take()
    {
        // Reaped before the scan, not after it: what ends in between is missing once instead of counted twice, and a sum never shrinks.
        var reaped = descendants.CpuSeconds;
        _proc.ScanDescendants();
        long pages = 0;
        for (var i = 0; i < _proc.Count; i++)
        {
            pages += _proc.PrivatePages(_proc.Pids[i]);
        }

        _cpu = Math.Max(_cpu, reaped + (_proc.CpuTicks / TicksPerSecond));
        return new(_proc.Count, pages * PageSize, _cpu);
    }
}
