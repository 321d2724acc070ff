using OzFunctions.Shim.Children;
using OzFunctions.Shim.Commands;
using OzFunctions.Shim.Connections;
using OzFunctions.Shim.Limits;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim;

/// <summary>The one loop: hosts, pipes, clocks. Everything that decides happens on its thread.</summary>
internal sealed unsafe class Supervisor(
    StatusFile status, SpoolWriter spool, Descendants descendants, Spawner spawner, ResourceLimits resources, Listener listener, int wake, ShimOrders orders, TimeProvider time)
{
    private const int MostConnections = 16;

    private const long NoteEvery = 10;
    private const long SaveAgainAfter = 1_000;
    private readonly List<Connection> _connections = [];
    private readonly PollEntry[] _poll = new PollEntry[4 + MostConnections];
    private RunningCommand? _running;
    private long _leaseUntil = orders.LeaseUntil;
    private long _lastNote;
    private bool _ending;

    /// <summary>
    /// In milliseconds: a wait counts on a clock that stands still while the machine sleeps, the lease does not. Tests make it longer, to see that what they wait for was due.
    /// </summary>
    internal static long LongestWait { get; set; } = 5_000;

    public void Run(Connection launcher)
    {
        _connections.Add(launcher);
        while (true)
        {
            var due = Advance();
            if (_running is null && (_ending || status.Current.LeaseOver))
            {
                break;
            }

            Tell(ref due);
            Wait(due);
        }

        SayGoodbye();
    }

    /// <summary>Does what the clocks ask for; answers when to look again.</summary>
    private long Advance()
    {
        var due = Clock.Monotonic + LongestWait;
        if (status.Unsaved && !status.TrySave())
        {
            due = Math.Min(due, Clock.Monotonic + SaveAgainAfter);
        }

        var leaseLeft = _leaseUntil - Clock.SinceBoot;
        if (leaseLeft <= 0 && !status.Current.LeaseOver)
        {
            EndLease();
        }

        due = Math.Min(due, status.Current.LeaseOver ? long.MaxValue : Clock.Monotonic + leaseLeft);
        if (_running is not null)
        {
            due = Math.Min(due, _running.Advance());
            if (_running.Over)
            {
                FinishRunning();
            }
        }

        if (_running is null && status.Current.LeaseOver && TeardownIsOwed())
        {
            _ = Start(LonelyTeardown.Of(orders.Teardown!, status.Current), byShim: true);
            due = 0;
        }

        return due;
    }

    private void EndLease(string why = "The lease ended and no host renewed it")
    {
        // Nobody is there who would make room for what is still to be written.
        status.GiveUpReserve();
        Say($"{why}: no command is taken any more");
        SetStatus(status.Current with { LeaseOver = true });

        // A teardown that limits itself may finish: it is what would be run next.
        if (_running is not null && !(_running.Phase == ShimPhase.Teardown && _running.HasTimeout))
        {
            _running.Stop(ShimStopCause.Lease, null, "no host renewed the lease");
        }
    }

    private bool TeardownIsOwed() =>
        orders.Teardown is not null
        && status.Current.Find(ShimPhase.Teardown) is null
        && (status.Current.Find(ShimPhase.Setup) is not null || status.Current.Find(ShimPhase.Agent) is not null);

    private void Tell(ref long due)
    {
        var position = spool.Position;
        var noteAt = _lastNote + NoteEvery;
        var mayNote = Clock.Monotonic >= noteAt;
        foreach (var connection in _connections)
        {
            if (connection.StatusDue && !connection.HasPending)
            {
                connection.StatusDue = false;
                connection.Send(new MessageWriter(ShimMessage.Status, 0).Bytes(ShimStatusJson.Write(status.Current)));
            }

            if (connection.ToldPosition != position && !connection.HasPending)
            {
                if (mayNote)
                {
                    connection.TellPosition(position);
                    _lastNote = Clock.Monotonic;
                }
                else
                {
                    due = Math.Min(due, noteAt);
                }
            }
        }
    }

    private void Wait(long due)
    {
        var count = 0;
        _poll[count++] = new PollEntry { Descriptor = wake, Wanted = Libc.PollIn };
        _poll[count++] = new PollEntry { Descriptor = _connections.Count < MostConnections ? listener.Descriptor : -1, Wanted = Libc.PollIn };
        foreach (var pipe in _running?.Pipes ?? [])
        {
            _poll[count++] = new PollEntry { Descriptor = pipe.Descriptor, Wanted = Libc.PollIn };
        }

        var firstConnection = count;
        foreach (var connection in _connections)
        {
            _poll[count++] = new PollEntry { Descriptor = connection.Descriptor, Wanted = (short)(Libc.PollIn | (connection.HasPending ? Libc.PollOut : 0)) };
        }

        fixed (PollEntry* entries = _poll)
        {
            if (Libc.Poll(entries, (nuint)count, (int)Math.Clamp(due - Clock.Monotonic, 0, LongestWait)) <= 0)
            {
                return;
            }
        }

        if (_poll[0].Seen != 0)
        {
            long drained;
            _ = Libc.Read(wake, (byte*)&drained, sizeof(long));
        }

        PumpPipes();
        TalkToHosts(firstConnection);
        if (_poll[1].Seen != 0 && listener.Accept() is { } arrived)
        {
            _connections.Add(arrived);
        }
    }

    private void PumpPipes()
    {
        var at = 2;
        foreach (var pipe in _running?.Pipes ?? [])
        {
            if (_poll[at++].Seen != 0)
            {
                _running!.Pump(pipe);
            }
        }
    }

    private void TalkToHosts(int firstEntry)
    {
        for (var i = 0; i < _connections.Count; i++)
        {
            var seen = _poll[firstEntry + i].Seen;
            var connection = _connections[i];
            if (seen == 0)
            {
                continue;
            }

            connection.Flush();
            try
            {
                connection.Receive(Take);
            }
            catch (InvalidDataException)
            {
                // Not our language: nothing that follows could be trusted.
                connection.Close();
            }
        }

        _connections.RemoveAll(connection => connection.Closed);
        if (orders.EndsWithHost && !_ending && _connections.Count == 0 && !status.Current.LeaseOver)
        {
            EndLease("The caller is gone");
        }
    }

    private void Take(Connection connection, byte[] bytes)
    {
        var message = MessageReader.Open(bytes);
        var refusal = message.Kind switch
        {
            ShimMessage.Hello => message.Int32() is ShimProtocol.Version ? null : $"This shim speaks version {ShimProtocol.Version} only",
            ShimMessage.Start => Start(message.Command(), byShim: false),
            ShimMessage.Stop => Stop((ShimStopCause)message.Int32(), message.Time()),
            ShimMessage.Renew => Renew(message.Int64()),
            ShimMessage.End => End(),
            _ => "This shim does not know that message",
        };
        connection.Send(refusal is null
            ? new MessageWriter(ShimMessage.Taken, message.Id).Bytes(ShimStatusJson.Write(status.Current))
            : new MessageWriter(ShimMessage.Refused, message.Id).Text(refusal));
    }

    private string? Stop(ShimStopCause cause, TimeSpan? grace)
    {
        _running?.Stop(cause, grace, null);
        return null;
    }

    private string? Renew(long until)
    {
        // Asked of the clock and not only of the state: the loop may not have been round since.
        if (status.Current.LeaseOver || Clock.SinceBoot >= _leaseUntil)
        {
            return "The lease has ended; it cannot be renewed any more";
        }

        _leaseUntil = until;
        return null;
    }

    private string? End()
    {
        _ending = true;
        return null;
    }

    /// <summary>Null when the command runs or ran; else why not.</summary>
    private string? Start(ShimCommand command, bool byShim)
    {
        if (status.Current.Find(command.Phase) is not null)
        {
            return null;
        }

        if (!byShim && (status.Current.LeaseOver || Clock.SinceBoot >= _leaseUntil))
        {
            return "The lease has ended; no command is started any more";
        }

        if (_ending)
        {
            return "The shim was told to end; no command is started any more";
        }

        if (_running is not null)
        {
            return $"{_running.Phase} still runs; commands run one after the other";
        }

        if (ShimProtocol.StreamsOf(command.Phase) is not { } streams || command.Arguments.Count == 0)
        {
            return $"'{command.Phase}' is no phase, or its command is empty";
        }

        // On disk before it is executed: whoever reads this after a crash must take it as started. The shim's own teardown goes without where the disk is full: beside a
        // status of a shim that is gone no host starts one.
        var state = new ShimCommandStatus { Phase = command.Phase, StartedAt = time.GetUtcNow() };
        var before = status.Current;
        if (!status.TrySet(status.With(state)) && !byShim)
        {
            SetStatus(before);
            return $"The disk refuses the shim's status, so {command.Phase} was not started";
        }

        var result = Execute(command, streams.Out, streams.Err);
        state = result.Error == 0
            ? state with { Pid = result.Pid, StartTicks = orders.Proc.StartTicks(result.Pid) }
            : state with { SpawnError = result.Error, StopDetail = result.Sentence, Ended = true, EndedAt = time.GetUtcNow() };
        if (result.Sentence is not null)
        {
            Say(result.Sentence);
        }

        SetStatus(status.With(state));
        return null;
    }

    private SpawnResult Execute(ShimCommand command, SpoolStream output, SpoolStream error)
    {
        if (CommandPipes.TryOpen(command, output, error, spool, out var pipes) is { } refused)
        {
            return refused;
        }

        // What the kernel did about its limits is told from what it did before: asked before there is anything to tell.
        var limits = resources.Watch(command.Phase);
        var result = spawner.Spawn(command, pipes!.OutputEnd, pipes.ErrorEnd);
        pipes.CloseChildEnds();
        if (result.Error == 0)
        {
            _running = new RunningCommand(command, descendants, pipes.Read, limits, Say);
        }
        else
        {
            limits.End();
            Array.ForEach(pipes.Read, pipe => pipe.Close());
        }

        return result;
    }

    private void FinishRunning()
    {
        var finished = _running!;
        _running = null;
        try
        {
            spool.FlushToDisk();
        }
        catch (IOException)
        {
            // Nothing more can be done for it; the reader takes what is there.
        }

        SetStatus(status.With(finished.Finish(status.Current.Find(finished.Phase)!, time.GetUtcNow())));
    }

    private void SetStatus(ShimStatus next)
    {
        _ = status.TrySet(next);
        _connections.ForEach(connection => connection.StatusDue = true);
    }

    private void Say(string sentence)
    {
        try
        {
            spool.Append(SpoolStream.Shim, System.Text.Encoding.UTF8.GetBytes(sentence + "\n"));
        }
        catch (IOException)
        {
            // As with output: the spool counts it as missing.
        }
    }

    /// <summary>Saves and tells what is left to tell, within limits.</summary>
    private void SayGoodbye()
    {
        for (var tries = 0; status.Unsaved && tries < 30 && !status.TrySave() && !status.Orphaned; tries++)
        {
            _ = Libc.Sleep(1_000_000);
        }

        var until = Clock.Monotonic + 1_000;
        while (Clock.Monotonic < until)
        {
            var due = 0L;
            Tell(ref due);
            _connections.ForEach(connection => connection.Flush());
            _connections.RemoveAll(connection => connection.Closed);
            if (!_connections.Exists(connection => connection.HasPending || connection.StatusDue || connection.ToldPosition != spool.Position))
            {
                return;
            }

            _ = Libc.Sleep(1_000);
        }
    }
}
