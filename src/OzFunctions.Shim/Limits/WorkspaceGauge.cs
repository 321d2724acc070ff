using OzFunctions.Shim.Native;

namespace OzFunctions.Shim.Limits;

/// <summary>
/// Measures directories again and again while it is armed, on a thread of its own: a slow disk must not hold up pipes and clocks. It takes at most a
/// twentieth of the time.
/// </summary>
internal sealed class WorkspaceGauge
{
    private const int StackSize = 256 << 10;
    private const long ShortestPause = 1_000;
    private const long LongestPause = 60_000;
    private readonly DirectorySize[] _directories;
    private readonly Action _wake;
    private readonly object _gate = new();
    private long _bytes;
    private bool _armed;

    public WorkspaceGauge(IReadOnlyList<string> directories, Action wake)
    {
        _directories = [.. directories.Select(directory => new DirectorySize(directory))];
        _wake = wake;
        new Thread(MeasureForEver, StackSize) { IsBackground = true }.Start();
    }

    /// <summary>What was found last, perhaps <see cref="DirectorySize.TooDeep"/>; 0 before the first time.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    public void Arm(bool armed)
    {
        lock (_gate)
        {
            _armed = armed;
            Volatile.Write(ref _bytes, 0);
            Monitor.PulseAll(_gate);
        }
    }

    private void MeasureForEver()
    {
        while (true)
        {
            lock (_gate)
            {
                while (!_armed)
                {
                    Monitor.Wait(_gate);
                }
            }

            var began = Clock.Monotonic;
            long bytes = 0;
            foreach (var directory in _directories)
            {
                var size = directory.Measure();
                bytes = size > DirectorySize.TooDeep - bytes ? DirectorySize.TooDeep : bytes + size;
            }

            var took = Clock.Monotonic - began;
            lock (_gate)
            {
                if (_armed)
                {
                    Volatile.Write(ref _bytes, bytes);
                    _wake();
                    _ = Monitor.Wait(_gate, (int)Math.Clamp(took * 20, ShortestPause, LongestPause));
                }
            }
        }
    }
}
