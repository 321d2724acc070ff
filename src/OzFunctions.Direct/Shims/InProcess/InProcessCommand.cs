using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims.InProcess;

/// <summary>One command from its start to the moment when its group is ended and its output is read: the shim's <c>RunningCommand</c> with tasks instead of one loop.</summary>
internal sealed class InProcessCommand
{
    // Who left the group may hold a pipe open for ever.
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestDrain = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);
    private readonly ShimCommand _command;
    private readonly Child _child;
    private readonly Action<SpoolStream, ReadOnlySpan<byte>> _take;
    private readonly Action<string> _say;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly StopLadder _ladder;
    private readonly CommandClocks _clocks;
    private readonly ChangeSignal _changes;
    private readonly long _begun;
    private bool _closed;

    public InProcessCommand(ShimCommand command, Child child, Action<SpoolStream, ReadOnlySpan<byte>> take, Action<string> say, TimeProvider time)
    {
        (_command, _child, _take, _say, _time) = (command, child, take, say, time);
        _begun = time.GetTimestamp();
        _changes = new(_gate, time);
        _ladder = new StopLadder(command.Phase, child.TrySignal, () => Now, say);
        _clocks = new CommandClocks(command, _ladder, Now);
    }

    public string Phase => _command.Phase;

    private long Now => (long)_time.GetElapsedTime(_begun).TotalMilliseconds;

    public void Stop(ShimStopCause cause, TimeSpan? grace, string? detail)
    {
        lock (_gate)
        {
            // What ended by itself before the first signal keeps its own end.
            if (!_child.Exited.IsCompleted)
            {
                _ladder.Stop(cause, grace ?? _command.StopGrace, detail);
            }

            _changes.Raise();
        }
    }

    /// <summary>To the end; answers how it ended, added to what its status said before.</summary>
    public async Task<ShimCommandStatus> RunAsync(ShimCommandStatus status)
    {
        try
        {
            return await FollowAsync(status);
        }
        finally
        {
            // Also after a fault of its own nothing is left.
            _ = _child.EndAll();
            _child.Dispose();
        }
    }

    private async Task<ShimCommandStatus> FollowAsync(ShimCommandStatus status)
    {
        var streams = ShimProtocol.StreamsOf(_command.Phase)!.Value;
        var pumping = Task.WhenAll(PumpAsync(_child.Output, streams.Out), PumpAsync(_child.Error, streams.Err));
        await WatchAsync(pumping);
        var refused = _child.EndAll();
        if (refused is not null)
        {
            _say(refused);
        }

        // One that cannot be ended does not hold the run for ever; it is named instead.
        await Task.WhenAny(_child.Exited, Task.Delay(LongestDrain, _time, CancellationToken.None));
        await DrainAsync(pumping);
        lock (_gate)
        {
            _closed = true;
        }

        status = _child.Finish(status) with { Ended = true, EndedAt = _time.GetUtcNow(), StoppedBy = _ladder.Cause, StopDetail = _ladder.Detail };
        if (refused is not null || !_child.Exited.IsCompleted)
        {
            status = status with { Clean = false, LeftOver = _child.Exited.IsCompleted ? [] : [_child.Pid] };
        }

        return status;
    }

    /// <summary>Until the leader has ended or the ladder is at its end.</summary>
    private async Task WatchAsync(Task pumping)
    {
        while (!_child.Exited.IsCompleted)
        {
            TimeSpan wait;
            Task changed;
            lock (_gate)
            {
                changed = _changes.Next;
                if (pumping.IsCompleted)
                {
                    _clocks.NoteOutputEnd(Now);
                }

                _ladder.Climb();
                var due = _ladder.Cause is null ? _clocks.Check(Now, Now + (long)LongestWait.TotalMilliseconds) : long.MaxValue;
                if (_ladder.AtEnd)
                {
                    return;
                }

                due = Math.Min(due, _ladder.NextAt);
                wait = TimeSpan.FromMilliseconds(Math.Clamp(due - Now, 0, (long)LongestWait.TotalMilliseconds));
            }

            await Task.WhenAny([_child.Exited, changed, Task.Delay(wait, _time, CancellationToken.None), .. pumping.IsCompleted ? Array.Empty<Task>() : [pumping]]);
        }
    }

    /// <summary>Reads what is left, and no longer than it comes.</summary>
    private async Task DrainAsync(Task pumping)
    {
        var ended = Now;
        while (!pumping.IsCompleted)
        {
            var quietSince = Math.Min(Math.Max(ended, _clocks.LastOutputAt), ended + (long)LongestDrain.TotalMilliseconds);
            var left = DrainTime - TimeSpan.FromMilliseconds(Now - quietSince);
            if (left <= TimeSpan.Zero)
            {
                return;
            }

            await Task.WhenAny(pumping, Task.Delay(left, _time, CancellationToken.None));
        }
    }

    private async Task PumpAsync(Stream from, SpoolStream stream)
    {
        var buffer = new byte[64 << 10];
        try
        {
            while (await from.ReadAsync(buffer, CancellationToken.None) is > 0 and var read)
            {
                lock (_gate)
                {
                    if (_closed)
                    {
                        return;
                    }

                    _take(stream, buffer.AsSpan(0, read));
                    _clocks.NoteOutput(Now);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            // Closed while somebody outside still held it.
        }
    }
}
