using System.Globalization;
using OzFunctions.Shim.Children;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Commands;

/// <summary>SIGINT, grace, SIGTERM, grace, then the end of all. The first cause stays; a later one can only make it faster.</summary>
internal sealed class StopLadder(string phase, Descendants descendants, Action<string> say)
{
    private long _grace;
    private long _nextAt = long.MaxValue;
    private int _rung;

    public ShimStopCause? Cause { get; private set; }

    public string? Detail { get; private set; }

    /// <summary>When the next rung is due, on <see cref="Clock.Monotonic"/>.</summary>
    public long NextAt => _nextAt;

    /// <summary>The last rung: everything must be ended now.</summary>
    public bool AtEnd => _rung == 3;

    public void Stop(ShimStopCause cause, TimeSpan grace, string? detail)
    {
        var milliseconds = (long)grace.TotalMilliseconds;
        if (Cause is null)
        {
            Cause = cause;
            Detail = detail;
            _grace = milliseconds;
            _nextAt = Clock.Monotonic;
        }
        else
        {
            _grace = Math.Min(_grace, milliseconds);
            _nextAt = Math.Min(_nextAt, Clock.Monotonic + _grace);
        }

        Climb();
    }

    /// <summary>Takes away what is left of the grace, and says why; the first cause stays.</summary>
    public void Hasten(string why)
    {
        if (Cause is { } cause && _grace > 0)
        {
            say($"No more grace ({phase}, {ShimStatusJson.Name(cause)}): {why}");
            Stop(cause, TimeSpan.Zero, null);
        }
    }

    /// <summary>Takes every rung that is due.</summary>
    public void Climb()
    {
        while (Cause is { } cause && _rung < 3 && Clock.Monotonic >= _nextAt)
        {
            _rung++;
            var why = $"{phase}, {ShimStatusJson.Name(cause)}{(Detail is null ? "" : $": {Detail}")}";
            var grace = (_grace / 1000.0).ToString("0.###", CultureInfo.InvariantCulture);
            switch (_rung)
            {
                case 1 when !descendants.TrySignalGroup(Libc.SigInt):
                    // It ended by itself before our first signal: that is its end, and nobody stopped it.
                    (Cause, Detail, _rung, _nextAt) = (null, null, 0, long.MaxValue);
                    return;
                case 1:
                    say($"Stopping ({why}): SIGINT");
                    break;
                case 2:
                    say($"Still running {grace} s after SIGINT ({why}): SIGTERM");
                    _ = descendants.TrySignalGroup(Libc.SigTerm);
                    break;
                default:
                    say($"Still running {grace} s after SIGTERM ({why}): SIGKILL to every process of it");
                    break;
            }

            _nextAt = _rung < 3 ? Clock.Monotonic + _grace : long.MaxValue;
        }
    }
}
