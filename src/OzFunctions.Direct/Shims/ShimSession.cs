using System.Net.Sockets;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>One host's conversation with one shim.</summary>
internal sealed class ShimSession : IShimSession
{
    private readonly ShimConnection _connection;
    private readonly string _privateDirectory;
    private readonly Func<Task> _reap;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<uint, TaskCompletionSource<byte[]>> _asked = [];
    private readonly ChangeSignal _changes;
    private readonly Task _reading;
    private SpoolPosition _position;
    private ShimStatus _status;
    private uint _lastId;
    private bool _gone;
    private bool _endAsked;
    private bool _disposed;

    public ShimSession(ShimConnection connection, ShimStatus status, string privateDirectory, TimeProvider time, Func<Task> reap)
    {
        _connection = connection;
        _status = status;
        _privateDirectory = privateDirectory;
        _reap = reap;
        _changes = new(_gate, time);
        _reading = ReadAsync();
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

    public async Task<ShimCommandStatus> StartAsync(ShimCommand command, CancellationToken cancellationToken)
    {
        ShimCommandCheck.Check(command);
        if (Status.Find(command.Phase) is { } known)
        {
            return known;
        }

        await AskAsync(id => new MessageWriter(ShimMessage.Start, id).Command(command), cancellationToken);
        return Status.Find(command.Phase) ?? throw new ShimException($"The shim took '{command.Phase}' and does not know it.");
    }

    public async Task<ShimCommandStatus> WaitAsync(string phase, CancellationToken cancellationToken)
    {
        ShimCommandStatus? command = null;
        await _changes.UntilAsync(
            () => (command = _status.Find(phase)) is { Ended: true }
                || (_gone ? throw Lost() : command is null ? throw new InvalidOperationException($"'{phase}' was not started, so there is nothing to wait for.") : false),
            Timeout.InfiniteTimeSpan,
            cancellationToken);
        return command!;
    }

    public Task WaitForOutputAsync(SpoolPosition position, TimeSpan atMost, CancellationToken cancellationToken) => _changes.UntilAsync(
        () => _position.CompareTo(position) > 0 || _status.Commands.All(command => command.Ended) || (_gone ? throw Lost() : false),
        atMost,
        cancellationToken);

    public async Task StopAsync(ShimStopCause cause, TimeSpan grace, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_gone && _status.Commands.All(command => command.Ended))
            {
                return;
            }
        }

        await AskAsync(id => new MessageWriter(ShimMessage.Stop, id).Int32((int)cause).Time(grace), cancellationToken);
    }

    public async Task RenewAsync(TimeSpan lease, CancellationToken cancellationToken)
    {
        // An instant, not a span: a message that lay around must not make the lease longer.
        var until = ShimLibc.SinceBoot + (long)lease.TotalMilliseconds;
        await AskAsync(id => new MessageWriter(ShimMessage.Renew, id).Int64(until), cancellationToken);
    }

    public Task PingAsync(CancellationToken cancellationToken) => AskAsync(id => new MessageWriter(ShimMessage.Hello, id).Int32(Status.Version), cancellationToken);

    public async Task EndAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_gone)
            {
                return;
            }

            _endAsked = true;
        }

        try
        {
            await AskAsync(id => new MessageWriter(ShimMessage.End, id), cancellationToken);
        }
        catch (ShimException) when (Gone)
        {
            // It was quicker than its answer.
        }

        await _reading.WaitAsync(cancellationToken);
    }

    public Task WaitForEndAsync(CancellationToken cancellationToken) => _reading.WaitAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        await _closing.CancelAsync();
        await _reading;
        _connection.Dispose();
        _closing.Dispose();
    }

    private bool Gone
    {
        get
        {
            lock (_gate)
            {
                return _gone;
            }
        }
    }

    private async Task AskAsync(Func<uint, MessageWriter> question, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        uint id;
        lock (_gate)
        {
            if (_gone)
            {
                throw Lost();
            }

            id = ++_lastId;
            _asked.Add(id, answer);
        }

        try
        {
            await _connection.SendAsync(question(id), cancellationToken);
        }
        catch (Exception ex) when (ex is SocketException or ObjectDisposedException)
        {
            // The reader sees the same end and fails the question, with the last status read.
        }

        var bytes = await answer.Task.WaitAsync(cancellationToken);
        var message = MessageReader.Open(bytes);
        if (message.Kind == ShimMessage.Refused)
        {
            throw new ShimException(message.RequiredText());
        }
    }

    private async Task ReadAsync()
    {
        try
        {
            while (await _connection.ReceiveAsync(_closing.Token) is { } bytes)
            {
                Take(bytes);
            }

            await _reap();
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
        }
        catch (InvalidDataException)
        {
            // What talks there is no shim of ours.
        }

        EndConversation();
    }

    private void Take(byte[] bytes)
    {
        var message = MessageReader.Open(bytes);
        lock (_gate)
        {
            switch (message.Kind)
            {
                case ShimMessage.Status or ShimMessage.Taken:
                    _status = ShimStatusJson.Read(message.Bytes());
                    break;
                case ShimMessage.Grew:
                    _position = new SpoolPosition(message.Int64(), message.Int64());
                    break;
            }

            if (_asked.Remove(message.Id, out var answer))
            {
                answer.SetResult(bytes);
            }

            _changes.Raise();
        }
    }

    private void EndConversation()
    {
        // It may have said its last word to the file only.
        ShimStatus? last = null;
        try
        {
            last = ShimStatusFile.Read(_privateDirectory);
        }
        catch (ShimException)
        {
            // Then what it told last is what is known.
        }

        lock (_gate)
        {
            _gone = true;
            if (last is not null && last.Pid == _status.Pid && last.StartTicks == _status.StartTicks)
            {
                _status = last;
            }

            foreach (var answer in _asked.Values)
            {
                answer.SetException(Lost());
            }

            _asked.Clear();
            _changes.Raise();
        }
    }

    private ShimException Lost()
    {
        if (_closing.IsCancellationRequested)
        {
            return new ShimException("The conversation with the shim was closed.");
        }

        if (_status.Commands.All(command => command.Ended) && (_endAsked || _status.LeaseOver))
        {
            return new ShimException(_endAsked ? "The shim was told to end and has ended." : "The shim has ended because its lease ended.");
        }

        return new ShimLostException($"The shim (pid {_status.Pid}) of {_privateDirectory} died.");
    }
}
