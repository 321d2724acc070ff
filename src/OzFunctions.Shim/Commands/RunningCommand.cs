using System.Globalization;
using OzFunctions.Shim.Children;
using OzFunctions.Shim.Limits;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Commands;

/// <summary>One command from its execution to the moment when nothing of it is left and its output is read: pipes, clocks, stop.</summary>
internal sealed class RunningCommand
{
    // A process that could not be killed, or one outside that was handed a pipe, may hold it open for ever.
    private const long DrainTime = 1_000;
    private const long LongestDrain = 30_000;
    private readonly ShimCommand _command;
    private readonly Descendants _descendants;
    private readonly Action<string> _say;
    private readonly OutputPipe[] _pipes;
    private readonly StopLadder _ladder;
    private readonly CommandClocks _clocks;
    private readonly LimitWatch _limits;
    private long _endedAt = -1;
    private long _killedAt = -1;
    private bool _killAsked;
    private KillResult? _killed;
    private Breach? _breach;

    public RunningCommand(ShimCommand command, Descendants descendants, OutputPipe[] pipes, LimitWatch limits, Action<string> say)
    {
        _limits = limits;
        _command = command;
        _descendants = descendants;
        _pipes = pipes;
        _say = say;
        _ladder = new StopLadder(command.Phase, descendants.TrySignalGroup, () => Clock.Monotonic, say);
        _clocks = new CommandClocks(command, _ladder, Clock.Monotonic);
    }

    public string Phase => _command.Phase;

    public IReadOnlyList<OutputPipe> Pipes => _pipes;

    /// <summary>Whether it limits itself, so that the end of the lease need not.</summary>
    public bool HasTimeout => _command.Timeout is not null;

    /// <summary>Everything ended, everything read.</summary>
    public bool Over { get; private set; }

    public void Stop(ShimStopCause cause, TimeSpan? grace, string? detail)
    {
        // What ended by itself before the first signal keeps its own end.
        if (!_killAsked && _descendants.LeaderStatus is null)
        {
            _ladder.Stop(cause, grace ?? _command.StopGrace, detail);
            Advance();
        }
    }

    public void Pump(OutputPipe pipe)
    {
        if (pipe.Pump() is > 0 and var bytes)
        {
            _limits.NoteOutput(bytes);
            _clocks.NoteOutput(Clock.Monotonic);
        }
    }

    /// <summary>Does what is due; answers when the next thing is, on <see cref="Clock.Monotonic"/>.</summary>
    public long Advance()
    {
        if (!_killAsked)
        {
            var due = _descendants.LeaderStatus is null ? WatchClocks() : 0;
            if (_descendants.LeaderStatus is null && !_ladder.AtEnd)
            {
                return due;
            }

            _killAsked = true;
            _endedAt = Clock.Monotonic;
            _limits.End();
            _descendants.EndAll();
        }

        if (_killed is null)
        {
            _killed = _descendants.Killed;
            if (_killed is null)
            {
                return long.MaxValue;
            }

            _killedAt = Clock.Monotonic;
            if (_killed.Ended > 0 && _ladder.Cause is null)
            {
                _say($"Ended {_killed.Ended.ToString(CultureInfo.InvariantCulture)} process(es) that {Phase} left running");
            }

            if (!_killed.Clean)
            {
                _say($"Could not end process(es) {string.Join(", ", _killed.LeftOver)} of {Phase}");
            }
        }

        var quietSince = _killed.Clean ? Math.Min(Math.Max(_killedAt, _clocks.LastOutputAt), _killedAt + LongestDrain) : _killedAt;
        if (Array.TrueForAll(_pipes, pipe => pipe.Ended) || Clock.Monotonic - quietSince >= DrainTime)
        {
            Array.ForEach(_pipes, pipe => pipe.Close());
            Over = true;
            return 0;
        }

        return quietSince + DrainTime;
    }

    /// <summary>How it ended, added to what its status said before.</summary>
    public ShimCommandStatus Finish(ShimCommandStatus status, DateTimeOffset now)
    {
        var word = _descendants.LeaderStatus;
        var signal = word & 0x7f;

        // The kernel ends a group that has no memory left before anybody looks.
        if (_ladder.Cause is null && word is not 0 && _limits.LookAtKernel() is { } breach)
        {
            _breach = breach;
        }

        return status with
        {
            Ended = true,
            EndedAt = now,
            RanSeconds = (_endedAt - _clocks.StartedAt) / 1000.0,
            ExitCode = signal == 0 ? (word >> 8) & 0xff : null,
            Signal = signal is null or 0 ? null : signal,
            StoppedBy = _breach is not null && _ladder.Cause is null ? ShimStopCause.Limit : _ladder.Cause,
            StopDetail = _ladder.Detail ?? _breach?.Detail,
            Limit = _ladder.Cause is null or ShimStopCause.Limit ? _breach?.Limit : null,
            LeftAtDeadline = _ladder.Cause is null && _command.Timeout is { } time && SoftDeadline.Find(time, _command.StopGrace) is { } leaves && _endedAt - _clocks.StartedAt >= leaves.TotalMilliseconds,
            CpuSeconds = _descendants.CpuSeconds,
            PeakMemoryBytes = _descendants.PeakMemoryBytes,
            Clean = _killed!.Clean,
            LeftOver = _killed.LeftOver,
            EndedDescendants = _killed.Ended,
        };
    }

    /// <summary>Grace is for a command that stops, whoever asked for it; one that goes on taking memory, processes or disk meanwhile would take the machine along.</summary>
    private long WatchGrace(long now)
    {
        if (now >= _limits.NextAt && !_ladder.AtEnd && _limits.LookInGrace(_breach) is { } beyond)
        {
            _ladder.Hasten(beyond.Detail);
        }

        return Math.Min(_ladder.NextAt, _limits.NextAt);
    }

    private long WatchClocks()
    {
        var now = Clock.Monotonic;
        if (Array.TrueForAll(_pipes, pipe => pipe.Ended))
        {
            _clocks.NoteOutputEnd(now);
        }

        _ladder.Climb();
        if (_ladder.Cause is not null)
        {
            return WatchGrace(now);
        }

        if (now >= _limits.NextAt && _limits.Look() is { } breach)
        {
            _breach = breach;
            _ladder.Stop(ShimStopCause.Limit, breach.IsRunaway ? TimeSpan.Zero : _command.StopGrace, breach.Detail);
            if (_ladder.Cause is null)
            {
                // Over before the first signal.
                _breach = null;
            }

            return Math.Min(_ladder.NextAt, _limits.NextAt);
        }

        var due = _clocks.Check(now, _limits.NextAt);
        return _ladder.Cause is null ? due : Math.Min(_ladder.NextAt, _limits.NextAt);
    }
}
