namespace OzFunctions.Shim.Limits;

/// <summary>
/// The processors used on average over the last window, or over longer where looks are further apart than the window: a machine so busy that it is seldom looked at is
/// the one whose processors matter.
/// </summary>
/// <param name="window">Milliseconds.</param>
internal sealed class CpuAverage(long window)
{
    private readonly Queue<(long At, double Seconds)> _later = new();
    private (long At, double Seconds)? _first;

    /// <summary>Takes in how much was used in all until a time; null: less than a window has gone by since the first look.</summary>
    /// <param name="now">Milliseconds of a clock that never goes back.</param>
    /// <param name="seconds">Of processor time since some beginning; never less than before.</param>
    public (double Processors, long Milliseconds)? Add(long now, double seconds)
    {
        _later.Enqueue((now, seconds));

        // The youngest look that is a whole window old.
        while (_later.TryPeek(out var next) && now - next.At >= window)
        {
            _first = _later.Dequeue();
        }

        return _first is { } first && now > first.At ? ((seconds - first.Seconds) * 1000 / (now - first.At), now - first.At) : null;
    }
}
