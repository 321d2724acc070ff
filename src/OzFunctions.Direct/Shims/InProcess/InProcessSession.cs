using System.ComponentModel;
using System.Text;
using OzFunctions.Local;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims.InProcess;

/// <summary>One attempt's commands, supervised here: what a shim would keep is kept by the same names in the same directory.</summary>
internal sealed class InProcessSession : IShimSession
{
    private const int InputOutput = 5;
    private readonly string _directory;
    private readonly TimeProvider _time;
    private readonly Func<ShimCommand, Child> _start;
    private readonly Lock _gate = new();
    private readonly SpoolWriter _spool;
    private readonly ChangeSignal _changes;
    private readonly CancellationTokenSource _over = new();
    private readonly Task _leasing;
    private ShimStatus _status;
    private InProcessCommand? _running;
    private Task _work = Task.CompletedTask;
    private DateTimeOffset _leaseUntil;
    private bool _ending;
    private bool _disposed;

    public InProcessSession(ShimLaunch launch, ShimStatus status, Func<ShimCommand, Child> start, TimeProvider time)
    {
        (_directory, _status, _start, _time) = (launch.PrivateDirectory, status, start, time);
        _spool = new SpoolWriter(Path.Combine(_directory, ShimProtocol.SpoolDirectory), launch.SpoolBytes, time);
        _changes = new(_gate, time);
        _leaseUntil = time.GetUtcNow() + launch.Lease;
        Save();
        _leasing = WatchLeaseAsync(_over.Token);
    }

    public ShimStatus Status
    {
        get
        {
            lock (_gate)
            {
                return _status;
            }
        }
    }

    public Task<ShimCommandStatus> StartAsync(ShimCommand command, CancellationToken cancellationToken)
    {
        ShimCommandCheck.Check(command);
        lock (_gate)
        {
            if (_status.Find(command.Phase) is { } known)
            {
                return Task.FromResult(known);
            }

            if (_status.LeaseOver || _ending || _running is not null)
            {
                throw new ShimException(_running is { } running ? $"{running.Phase} still runs; commands run one after the other" : "No command is started any more");
            }

            // On disk before it is executed: whoever reads this after a crash must take it as started.
            var state = new ShimCommandStatus { Phase = command.Phase, StartedAt = _time.GetUtcNow() };
            var before = _status;
            try
            {
                Set(state, mustSave: true);
            }
            catch (IOException exception)
            {
                _status = before;
                throw new ShimException($"The disk refuses the supervisor's status, so {command.Phase} was not started: {exception.Message}", exception);
            }

            try
            {
                var child = _start(command);
                state = state with { Pid = child.Pid, StartTicks = child.StartTicks };
                Set(state);
                _running = new InProcessCommand(command, child, Take, Say, _time);
                _work = RunAsync(_running, state);
            }
            catch (Exception exception) when (exception is Win32Exception or IOException or InvalidOperationException)
            {
                // What has no number of its own (no descriptors left for its pipes) is an input/output error.
                var number = exception is Win32Exception { NativeErrorCode: not 0 and var error } ? error : InputOutput;
                state = state with { SpawnError = number, StopDetail = exception.Message, Ended = true, EndedAt = _time.GetUtcNow() };
                Set(state);
            }

            return Task.FromResult(state);
        }
    }

    public async Task<ShimCommandStatus> WaitAsync(string phase, CancellationToken cancellationToken)
    {
        ShimCommandStatus? command = null;
        await _changes.UntilAsync(
            () => (command = _status.Find(phase) ?? throw new InvalidOperationException($"'{phase}' was not started, so there is nothing to wait for.")).Ended,
            Timeout.InfiniteTimeSpan,
            cancellationToken);
        return command!;
    }

    public Task WaitForOutputAsync(SpoolPosition position, TimeSpan atMost, CancellationToken cancellationToken) =>
        _changes.UntilAsync(() => _spool.Position.CompareTo(position) > 0 || _status.Commands.All(command => command.Ended), atMost, cancellationToken);

    public Task StopAsync(ShimStopCause cause, TimeSpan grace, CancellationToken cancellationToken)
    {
        Running?.Stop(cause, grace, null);
        return Task.CompletedTask;
    }

    public Task RenewAsync(TimeSpan lease, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_status.LeaseOver)
            {
                throw new ShimException("The lease has ended; it cannot be renewed any more");
            }

            _leaseUntil = _time.GetUtcNow() + lease;
        }

        return Task.CompletedTask;
    }

    public Task PingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task EndAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _ending = true;
        }

        await _work.WaitAsync(cancellationToken);
    }

    public async Task WaitForEndAsync(CancellationToken cancellationToken)
    {
        await _leasing.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        await _work.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        // Nobody follows it any more, and nothing may outlive this process.
        await _over.CancelAsync();
        await _leasing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        EndLease("The caller is gone");
        await _work;
        _spool.Dispose();
        _over.Dispose();
    }

    private InProcessCommand? Running
    {
        get
        {
            lock (_gate)
            {
                return _running;
            }
        }
    }

    private async Task RunAsync(InProcessCommand running, ShimCommandStatus state)
    {
        // Whoever started it holds the gate.
        await Task.Yield();
        try
        {
            state = await running.RunAsync(state);
        }
        catch (Exception exception)
        {
            // Whatever goes wrong with a command, who waits for it is told that it is over; how it ended is not known.
            Say($"The {state.Phase} command could not be followed: {exception.Message}");
            state = state with { Ended = true, EndedAt = _time.GetUtcNow(), StopDetail = exception.Message, Clean = false };
        }

        lock (_gate)
        {
            _running = null;
            try
            {
                _spool.FlushToDisk();
            }
            catch (IOException)
            {
                // Nothing more can be done for it; the reader takes what is there.
            }

            Set(state);
        }
    }

    private async Task WatchLeaseAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            TimeSpan left;
            lock (_gate)
            {
                left = _leaseUntil - _time.GetUtcNow();
            }

            if (left <= TimeSpan.Zero)
            {
                EndLease("The lease ended and no host renewed it");
                return;
            }

            await Task.Delay(left, _time, cancellationToken);
        }
    }

    private void EndLease(string why)
    {
        InProcessCommand? running;
        lock (_gate)
        {
            running = _running;
            if (running is null && _ending)
            {
                return;
            }

            _status = _status with { LeaseOver = true };
            try
            {
                Save();
            }
            catch (IOException)
            {
                // Known here all the same.
            }
        }

        Say($"{why}: no command is taken any more");
        running?.Stop(ShimStopCause.Lease, null, "no host renewed the lease");
    }

    private void Take(SpoolStream stream, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            try
            {
                _spool.Append(stream, bytes);
            }
            catch (IOException)
            {
                // The spool counts it as missing.
            }

            _changes.Raise();
        }
    }

    private void Say(string sentence) => Take(SpoolStream.Shim, Encoding.UTF8.GetBytes(sentence + "\n"));

    private void Set(ShimCommandStatus command, bool mustSave = false)
    {
        _status = _status with { Commands = [.. _status.Commands.Where(known => known.Phase != command.Phase), command] };
        try
        {
            Save();
        }
        catch (IOException) when (!mustSave)
        {
            // How it ends is known here as long as this process lives, which is as long as the command does.
        }

        _changes.Raise();
    }

    private void Save() => DurableFiles.Replace(Path.Combine(_directory, ShimProtocol.StatusFile), ShimStatusJson.Write(_status));
}
