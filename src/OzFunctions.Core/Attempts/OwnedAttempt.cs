using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Settlement;

namespace OzFunctions.Attempts;

/// <summary>An attempt this host owns: every write compares owner, fence and directory, and a changed owner fences it for good.</summary>
internal sealed class OwnedAttempt : IOwnedAttempt, IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan TiedLease = TimeSpan.FromDays(1);

    private readonly OzPorts _ports;
    private readonly RunRecords _records;
    private readonly EventNotices _notices;
    private readonly HostPresence _presence;
    private readonly RunOwner _owner;
    private readonly CancellationTokenSource _stopOrdered = new();
    private readonly Lock _gate = new();
    private StoredRun _run;
    private RunRecord? _meant;
    private StopOrder? _order;
    private int _left;

    public OwnedAttempt(OzPorts ports, RunRecords records, EventNotices notices, HostPresence presence, StoredRun run, IAttemptDirectory directory, bool adopted)
    {
        _ports = ports;
        _records = records;
        _notices = notices;
        _presence = presence;
        _run = run;
        _owner = run.Record.Owner!;
        Attempt = run.Record.Attempt;
        ConcurrencyKey = run.Record.ConcurrencyKey;
        Directory = directory;
        Adopted = adopted;
    }

    public RunRecord Record => _run.Record;

    public RunId RunId => _run.Record.RunId;

    public int Attempt { get; }

    /// <summary>Held from C6 to S8; null: none.</summary>
    public string? ConcurrencyKey { get; }

    public IAttemptDirectory Directory { get; }

    public bool Adopted { get; }

    /// <summary>For the host's log, once fenced: what became of the run.</summary>
    public string TakenBy { get; private set; } = "its record is gone";

    /// <summary>The run was ended, and not by a write of this attempt's: T4, while this host was away.</summary>
    public bool EndedByOthers { get; private set; }

    /// <summary>C7, under way beside C8: over before C9, and before the run may be put on the index again.</summary>
    public Task Unlisting { get; set; } = Task.CompletedTask;

    /// <summary>How long C9 may wait for the store, and who is told when it is given up for good. Null: as long as it takes.</summary>
    public (TimeSpan AtMost, Action GiveUp)? StartLimit { get; init; }

    /// <summary>Told what C9 waits for, first and when it is something else; null: nobody.</summary>
    public Action<BlobStoreException>? StartWaits { get; set; }

    public IProtocolProbe Probe => _ports.Probe;

    /// <summary>Nobody else may start an <c>exec</c> run and its shim goes with its caller: an outage of the store does not end it.</summary>
    public TimeSpan LeaseLeft => Record.Trigger.Kind == TriggerKind.Exec ? TiedLease : _presence.LeaseLeft;

    public StopOrder? StopOrder
    {
        get
        {
            lock (_gate)
            {
                return _order;
            }
        }
    }

    public CancellationToken StopOrdered => _stopOrdered.Token;

    /// <summary>Orders a stop; a weaker order than the one given before changes nothing.</summary>
    public void Order(StopOrder order)
    {
        lock (_gate)
        {
            if (_order >= order)
            {
                return;
            }

            _order = order;
        }

        try
        {
            _stopOrdered.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended meanwhile: nobody is left to stop.
        }
    }

    /// <summary>Takes the attempt off the host's running[]; a repeat changes nothing, also when the host has the run again in another attempt.</summary>
    public void LeaveRunning()
    {
        if (Interlocked.Exchange(ref _left, 1) == 0)
        {
            _presence.Remove(RunId);
        }
    }

    /// <summary>C9.</summary>
    public async Task<StartPermission> StartAsync(string? masksSha256, CancellationToken cancellationToken)
    {
        await Unlisting;
        if (StartLimit is not { } limit)
        {
            return await StartWhenAnsweredAsync(masksSha256, cancellationToken);
        }

        using var deadline = new CancellationTokenSource(limit.AtMost, _ports.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await StartWhenAnsweredAsync(masksSha256, either.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // Whether or not the write lands yet: nothing of this attempt is executed any more.
            limit.GiveUp();
            throw;
        }
    }

    public Task NoteStartedAsync(CancellationToken cancellationToken) => _notices.StartedAsync(Record, cancellationToken);

    /// <summary>
    /// An owner's write (protocol, "Owner's writes"). Null: fenced, somebody else owns the run now. A terminal record keeps its owner and is answered as
    /// it stands: my own write whose answer was lost, or T4 while this host was away; the first terminal write wins. So is a record that waits again as this write meant it to.
    /// </summary>
    /// <param name="look">Read first: the decision may be to write nothing.</param>
    public async Task<StoredRun?> WriteAsync(Func<RunRecord, RecordDecision> decide, CancellationToken cancellationToken, bool look = false)
    {
        var fenced = false;
        RunRecord? meant = null;
        EndedByOthers = false;
        var update = await _records.UpdateAsync(
            RunId,
            look ? null : _run,
            record =>
            {
                if (meant is { State: RunState.Queued } && IsRequeuedAs(meant, record))
                {
                    return RecordDecision.Done;
                }

                fenced = !IsMine(record);
                if (fenced || record.State.IsTerminal())
                {
                    EndedByOthers = !fenced && (record.State, record.Reason, record.Message) != (_meant?.State, _meant?.Reason, _meant?.Message);
                    return fenced ? RecordDecision.Refuse : RecordDecision.Done;
                }

                var decision = decide(record);
                meant = decision.Next;
                _meant = meant ?? _meant;
                return decision;
            },
            cancellationToken);
        if (fenced || update.Answer == RecordAnswer.Absent)
        {
            TakenBy = update.Run is { } taken ? SayWhose(taken.Record) : TakenBy;
            Order(Backends.StopOrder.Fenced);
            return null;
        }

        return _run = update.Run!;
    }

    /// <summary>Looks at the record: a wish to cancel and a changed owner become orders.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var stored = await _records.FindAsync(RunId, cancellationToken);
        if (stored is null || !IsMine(stored.Record) || stored.Record.State.IsTerminal())
        {
            // Terminal keeps the owner, also where others ended the run (T4): its agent has no business any more. My own last write makes a requeued or terminal record: then this attempt is past caring.
            if (!_run.Record.State.IsTerminal() && _run.Record.State != RunState.Queued)
            {
                Order(Backends.StopOrder.Fenced);
            }
        }
        else if (stored.Record.Cancel is not null)
        {
            Order(Backends.StopOrder.Cancel);
        }
    }

    public void Dispose() => _stopOrdered.Dispose();

    private async Task<StartPermission> StartWhenAnsweredAsync(string? masksSha256, CancellationToken cancellationToken)
    {
        var pause = FirstPause;
        string? told = null;
        while (true)
        {
            if (StopOrder is { } order)
            {
                return order == Backends.StopOrder.Fenced ? StartPermission.Fenced : StartPermission.Cancelled;
            }

            if (LeaseLeft <= TimeSpan.Zero)
            {
                // Its shim takes no start any more: a record that says INPROGRESS would count one that never came.
                Order(Backends.StopOrder.Lease);
                return StartPermission.Cancelled;
            }

            try
            {
                return await TryStartAsync(masksSha256, cancellationToken);
            }
            catch (BlobStoreException ex) when (ex.IsOutage)
            {
                if (told != ex.Message)
                {
                    told = ex.Message;
                    StartWaits?.Invoke(ex);
                }

                // The agent may not be executed before the record says so: wait for the store, or for an order to stop.
                await _ports.Time.DelayAsync(pause, StopOrdered, cancellationToken);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    private async Task<StartPermission> TryStartAsync(string? masksSha256, CancellationToken cancellationToken)
    {
        var cancelled = false;
        var written = await WriteAsync(
            record =>
            {
                cancelled = record.Cancel is not null;
                if (cancelled)
                {
                    return RecordDecision.Refuse;
                }

                if (record.State == RunState.InProgress)
                {
                    // Mine of this attempt, its answer lost: not counted again.
                    return RecordDecision.Done;
                }

                var now = _ports.Time.GetWireTime();
                return RecordDecision.Write(record with
                {
                    State = RunState.InProgress,
                    Starts = record.Starts + 1,
                    StartedAt = record.StartedAt ?? now,
                    Attempts = [.. record.Attempts.Select(attempt => attempt.Attempt == Attempt ? attempt with { StartedAt = now, MasksSha256 = masksSha256 } : attempt)],
                });
            },
            cancellationToken,
            look: Record.State == RunState.InProgress);
        if (written is null || written.Record.State.IsTerminal())
        {
            Order(Backends.StopOrder.Fenced);
            return StartPermission.Fenced;
        }

        if (cancelled)
        {
            Order(Backends.StopOrder.Cancel);
            return StartPermission.Cancelled;
        }

        _ports.Probe.Passed(ProtocolStep.C9, RunId);
        return StartPermission.Start;
    }

    /// <summary>Nobody has owned the run since this attempt, and it ended as it was to: an earlier write of mine, of another moment, whose answer was lost.</summary>
    private static bool IsRequeuedAs(RunRecord meant, RunRecord record) =>
        (record.State, record.LastFence, record.Attempt, record.WaitingFor, record.Message, record.CurrentAttempt?.Reason)
        == (meant.State, meant.LastFence, meant.Attempt, meant.WaitingFor, meant.Message, meant.CurrentAttempt?.Reason);

    private static string SayWhose(RunRecord record) => record switch
    {
        { Owner: null, State: RunState.Queued } => "it was given up for lost and waits to be claimed again",
        { Owner: null } => $"the run is {record.State.Text()}",
        { Owner: { } owner } when record.State.IsTerminal() => $"host {owner.HostId} ended it, {record.State.Text()}",
        { Owner: { } owner } => $"host {owner.HostId} has it now, attempt {record.Attempt}",
    };

    private bool IsMine(RunRecord record) => record.Owner == _owner && record.Attempt == Attempt;
}
