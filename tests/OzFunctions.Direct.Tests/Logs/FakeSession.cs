using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>A shim that is only a spool: the test writes what commands would have written.</summary>
internal sealed class FakeSession(string privateDirectory, long spoolBytes = 256 << 20) : IShimSession
{
    private readonly SpoolWriter _spool = new(Path.Combine(privateDirectory, ShimProtocol.SpoolDirectory), spoolBytes, TimeProvider.System);
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ShimCommandStatus> _commands = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ShimStatus Status
    {
        get
        {
            lock (_lock)
            {
                return new ShimStatus { Version = 1, Pid = 1, StartTicks = 1, BootId = "", Tag = 1, Commands = [.. _commands.Values] };
            }
        }
    }

    public void Write(SpoolStream stream, ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            _spool.Append(stream, bytes);
            Change();
        }
    }

    public void Write(SpoolStream stream, string text) => Write(stream, System.Text.Encoding.UTF8.GetBytes(text));

    public void End(string phase)
    {
        lock (_lock)
        {
            _commands[phase] = new ShimCommandStatus { Phase = phase, Ended = true, ExitCode = 0 };
            Change();
        }
    }

    public Task<ShimCommandStatus> StartAsync(ShimCommand command, CancellationToken cancellationToken) => WaitAsync(command.Phase, cancellationToken);

    public async Task<ShimCommandStatus> WaitAsync(string phase, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_commands.TryGetValue(phase, out var status))
                {
                    return status;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    public async Task WaitForOutputAsync(SpoolPosition position, TimeSpan atMost, CancellationToken cancellationToken)
    {
        Task changed;
        lock (_lock)
        {
            if (_spool.Position.CompareTo(position) > 0)
            {
                return;
            }

            changed = _changed.Task;
        }

        await changed.WaitAsync(atMost, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
    }

    public Task StopAsync(ShimStopCause cause, TimeSpan grace, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task RenewAsync(TimeSpan lease, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task PingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task EndAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task WaitForEndAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);

    public ValueTask DisposeAsync()
    {
        _spool.Dispose();
        return ValueTask.CompletedTask;
    }

    private void Change()
    {
        var changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
