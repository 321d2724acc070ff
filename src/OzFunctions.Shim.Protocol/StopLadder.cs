using System.Globalization;

namespace OzFunctions.Shim.Protocol;

/// <summary>SIGINT, grace, SIGTERM, grace, then the end of all. The first cause stays; a later one can only make it faster.</summary>
/// <param name="phase">Whose ladder it is.</param>
/// <param name="trySignal">Sends a signal to the command; false: it is over already.</param>
/// <param name="now">Milliseconds of a clock that only goes forward.</param>
/// <param name="say">Takes a sentence for the log.</param>
internal sealed class StopLadder(string phase, Func<int, bool> trySignal, Func<long> now, Action<string> say)
{
    private const int SigInt = 2;
    private const int SigTerm = 15;
    private long _grace;
    private long _nextAt = long.MaxValue;
    private int _rung;

    /// <summary>
    /// The most between two signals where the lease is the cause: its host has two minutes from then on until others may start the run anew (L2, L3), and nothing of it may
    /// be at work by then. Tests make it shorter.
    /// </summary>
    public static TimeSpan LeaseGrace { get; set; } = TimeSpan.FromSeconds(20);

    public ShimStopCause? Cause { get; private set; }

    public string? Detail { get; private set; }

    /// <summary>When the next rung is due, on the clock that it was given.</summary>
    public long NextAt => _nextAt;

    /// <summary>The last rung: everything must be ended now.</summary>
    public bool AtEnd => _rung == 3;

    /// <summary>What a command gets of its grace for this cause.</summary>
    public static TimeSpan GraceOf(ShimStopCause cause, TimeSpan grace) => cause == ShimStopCause.Lease && grace > LeaseGrace ? LeaseGrace : grace;

    public void Stop(ShimStopCause cause, TimeSpan grace, string? detail)
    {
        var milliseconds = (long)GraceOf(cause, grace).TotalMilliseconds;
        if (Cause is null)
        {
            Cause = cause;
            Detail = detail;
            _grace = milliseconds;
            _nextAt = now();
        }
        else
        {
            _grace = Math.Min(_grace, milliseconds);
            _nextAt = Math.Min(_nextAt, now() + _grace);
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
        while (Cause is { } cause && _rung < 3 && now() >= _nextAt)
        {
            _rung++;
            var why = $"{phase}, {ShimStatusJson.Name(cause)}{(Detail is null ? "" : $": {Detail}")}";
            var grace = (_grace / 1000.0).ToString("0.###", CultureInfo.InvariantCulture);
            switch (_rung)
            {
                case 1 when !trySignal(SigInt):
                    // It ended by itself before our first signal: that is its end, and nobody stopped it.
                    (Cause, Detail, _rung, _nextAt) = (null, null, 0, long.MaxValue);
                    return;
                case 1:
                    say($"Stopping ({why}): SIGINT");
                    break;
                case 2:
                    say($"Still running {grace} s after SIGINT ({why}): SIGTERM");
                    _ = trySignal(SigTerm);
                    break;
                default:
                    say($"Still running {grace} s after SIGTERM ({why}): SIGKILL to every process of it");
                    break;
            }

            _nextAt = _rung < 3 ? now() + _grace : long.MaxValue;
        }
    }
}
