using Microsoft.Extensions.Logging;
using OzFunctions.Attempts;
using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Settlement;
using OzFunctions.Telemetry;

namespace OzFunctions.Hosts;

/// <summary>
/// The host of one <c>ozf exec</c>: its run is claimed from its first record on, never waits, and never goes to another host. Settles beside it what earlier calls
/// left on this machine.
/// </summary>
public sealed partial class UnmanagedHost
{
    private static readonly TimeSpan SignalsEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookAfterEnd = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LookMayTake = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan OthersGrace = TimeSpan.FromSeconds(20);
    private const int FailuresToLeave = 3;

    private readonly OzPorts _ports;
    private readonly WorkerOptions _options;
    private readonly RunRecords _records;
    private readonly EventNotices _notices;
    private readonly AttemptRunner _runner;
    private readonly AttemptRunner _others;
    private readonly AttemptAdoption _adoption;
    private readonly HostSignals _signals;
    private readonly EventOutbox _outbox;
    private readonly IHostLock? _locks;
    private readonly ILogger _logger;
    private readonly HostPresence _presence;
    private readonly CancellationTokenSource _leave = new();
    private readonly TaskCompletionSource _agentEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private OwnedAttempt? _attempt;
    private bool _stopAsked;

    internal UnmanagedHost(
        OzPorts ports,
        WorkerOptions options,
        RunRecords records,
        EventNotices notices,
        AttemptRunner runner,
        AttemptRunner others,
        AttemptAdoption adoption,
        HostSignals signals,
        EventOutbox outbox,
        IHostLock? locks,
        ILogger<UnmanagedHost> logger)
    {
        (_ports, _options, _records, _notices, _runner) = (ports, options, records, notices, runner);
        (_others, _adoption, _signals, _outbox, _locks, _logger) = (others, adoption, signals, outbox, locks, logger);
        _presence = new(ports, options, logger) { Tied = true };
    }

    /// <summary>How long the start of the agent may wait for a store that went away once the record was made. Null: as long as it takes.</summary>
    public TimeSpan? StartMayWait { get; init; }

    /// <summary>It waited that long: this run's attempt is removed, its agent was not started and will not be here. The record stands where it is, for who has the run now.</summary>
    public bool GaveUpStart { get; private set; }

    /// <summary>Asks the agent to stop (SIGINT first). A repeat changes nothing.</summary>
    public void Stop()
    {
        Volatile.Write(ref _stopAsked, true);
        if (Volatile.Read(ref _attempt) is { } attempt)
        {
            Stop(attempt);
        }
    }

    /// <summary>The agent is over, or will not be started: from now on a store that does not answer is not waited for much longer.</summary>
    public void NoteAgentEnded() => _agentEnded.TrySetResult();

    /// <summary>
    /// Makes the record, CLAIMED by this host. Throws <see cref="BlobStoreException"/> when the store cannot be reached: nothing was started. A write whose answer was not
    /// waited for may still land.
    /// </summary>
    /// <param name="submission">What is asked for.</param>
    /// <param name="directory">Of the run and its first attempt; the caller's own again when this fails.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task<RunRecord> BeginAsync(RunSubmission submission, IAttemptDirectory directory, CancellationToken cancellationToken)
    {
        var runId = directory.Intent!.RunId;
        if (!await _presence.TryBeatAsync(cancellationToken))
        {
            throw new BlobStoreException("The store cannot be reached.", isTransient: true, null);
        }

        _outbox.Start(() => _presence.NameForOthers, _locks);
        var now = _ports.Time.GetWireTime();
        await _ports.Blobs.PutAsync(RunBlobs.Active(runId), ReadOnlyMemory<byte>.Empty, cancellationToken);
        var record = new RunRecord
        {
            RunId = runId,
            State = RunState.Claimed,
            CreatedAt = now,
            UpdatedAt = now,
            WorkerId = submission.Request.WorkerId ?? _options.WorkerId,
            Request = submission.Request,
            Trigger = submission.Trigger,
            AskedBy = submission.AskedBy,
            Traceparent = submission.Traceparent ?? OzTelemetry.NewTraceparent(),
            Owner = new(_presence.HostId, 1, directory.Name),
            Attempt = 1,
            Attempts = [new() { Attempt = 1, HostId = _presence.HostId, Host = _options.Machine, ClaimedAt = now }],
        };
        _presence.Add(runId);
        if (!await _records.TryCreateAsync(record, cancellationToken) || await _records.FindAsync(runId, cancellationToken) is not { } stored)
        {
            throw new BlobStoreException($"The record of run {runId} could not be written.", isTransient: true, null);
        }

        _attempt = new(_ports, _records, _notices, _presence, stored, directory, adopted: false) { StartLimit = StartMayWait is { } most ? (most, GiveUpStart) : null };
        if (Volatile.Read(ref _stopAsked))
        {
            Stop(_attempt);
        }

        return record;
    }

    /// <summary>Runs the agent and settles the run; null when the store went away and the rest is left to the next call on this machine.</summary>
    public async Task<RunRecord?> RunAsync(CancellationToken cancellationToken)
    {
        var attempt = _attempt ?? throw new InvalidOperationException("BeginAsync comes first.");
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] loops = [BeatAsync(attempt, over.Token), ReadSignalsAsync(attempt, over.Token), WatchStoreAsync(over.Token)];
        var others = SettleOthersAsync(over.Token);
        var settled = true;
        try
        {
            await _runner.RunAsync(attempt, _leave.Token);
        }
        catch (OperationCanceledException) when (_leave.IsCancellationRequested)
        {
            settled = false;
            if (GaveUpStart)
            {
                await attempt.Directory.DiscardAsync(CancellationToken.None);
            }

            attempt.Directory.Dispose();
        }

        await Task.WhenAny(others, Task.Delay(settled ? OthersGrace : TimeSpan.Zero, _ports.Time, cancellationToken));
        await over.CancelAsync();
        await Task.WhenAll(loops).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (settled)
        {
            // A store that hangs after the end was written holds the caller no longer than one that hung before it (ADR 0014).
            await _outbox.DrainAsync(EventOutbox.EndGrace, _leave.Token);
        }

        var record = settled ? attempt.Record : null;
        attempt.Dispose();
        await LeaveAsync(settled && others.IsCompleted && !_leave.IsCancellationRequested);
        return record;
    }

    /// <summary>Only settles what earlier calls left (<c>ozf sync</c>); answers how many runs. Cut off, it leaves the rest to the next.</summary>
    public async Task<int> SettleOnlyAsync(CancellationToken cancellationToken)
    {
        if (!await _presence.TryBeatAsync(cancellationToken))
        {
            throw new BlobStoreException("The store cannot be reached.", isTransient: true, null);
        }

        using var leave = cancellationToken.Register(_leave.Cancel);
        _outbox.Start(() => _presence.NameForOthers, _locks);
        var count = await SettleOthersAsync(cancellationToken);
        await _outbox.DrainAsync(EventOutbox.EndGrace, cancellationToken);
        await LeaveAsync(settled: !cancellationToken.IsCancellationRequested);
        return count;
    }

    /// <summary>An agent that runs has its grace whatever the store does; where none was started, nothing else would tell that there is no more to wait for.</summary>
    private void Stop(OwnedAttempt attempt)
    {
        attempt.Order(StopOrder.Cancel);
        if (attempt.Record.State != RunState.InProgress)
        {
            NoteAgentEnded();
        }
    }

    private void GiveUpStart()
    {
        GaveUpStart = true;
        _leave.Cancel();
    }

    private async Task<int> SettleOthersAsync(CancellationToken cancellationToken)
    {
        var work = new List<Task>();
        try
        {
            await foreach (var adopted in _adoption.AdoptAsync(_presence, _leave.Token, cancellationToken))
            {
                work.Add(SettleAsync(adopted));
            }
        }
        catch (Exception ex) when (ex is not OperationCanceledException)
        {
            // What others left must not touch this call's own run.
            NotSettled(ex);
        }

        await Task.WhenAll(work);
        await _adoption.Discards;
        return work.Count;
    }

    private async Task SettleAsync(AdoptedAttempt adopted)
    {
        try
        {
            await (adopted.Settled is { } settled ? _others.FinishAdoptedAsync(adopted.Attempt, settled, _leave.Token) : _others.RunAsync(adopted.Attempt, _leave.Token));
        }
        catch (Exception ex)
        {
            NotSettled(ex);
            adopted.Attempt.LeaveRunning();
            adopted.Attempt.Directory.Dispose();
        }
        finally
        {
            adopted.Attempt.Dispose();
        }
    }

    private async Task BeatAsync(OwnedAttempt attempt, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_options.HeartbeatEvery, _ports.Time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            await _presence.TryBeatAsync(cancellationToken);
            await LookAsync(attempt, cancellationToken);
        }
    }

    /// <summary>A cancel by somebody else (X2).</summary>
    private async Task ReadSignalsAsync(OwnedAttempt attempt, CancellationToken cancellationToken)
    {
        ETag? seen = null;
        using var timer = new PeriodicTimer(SignalsEvery, _ports.Time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            try
            {
                if (await _signals.FindChangeAsync(_presence.HostId, seen, cancellationToken) is { } change)
                {
                    seen = change.ETag;
                    await LookAsync(attempt, cancellationToken);
                }
            }
            catch (BlobStoreException)
            {
                // The next round asks again; the agent goes on.
            }
        }
    }

    private static async Task LookAsync(OwnedAttempt attempt, CancellationToken cancellationToken)
    {
        try
        {
            await attempt.LookAsync(cancellationToken);
        }
        catch (Exception ex) when (ex is BlobStoreException or UnreadableRecordException)
        {
            // The agent goes on: its caller sees it live.
        }
    }

    /// <summary>A caller waits for its agent, not for a store that is away: what is owed stays in the attempt's directory.</summary>
    private async Task WatchStoreAsync(CancellationToken cancellationToken)
    {
        await _agentEnded.Task.WaitAsync(cancellationToken);
        using var timer = new PeriodicTimer(LookAfterEnd, _ports.Time);
        for (var failures = 0; failures < FailuresToLeave;)
        {
            await timer.WaitForNextTickAsync(cancellationToken);
            failures = await AnswersAsync(cancellationToken) ? 0 : failures + 1;
        }

        await _leave.CancelAsync();
    }

    /// <summary>A store that hangs is as far away as one that refuses: its calls alone would be waited for much longer.</summary>
    private async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(LookMayTake, _ports.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await _presence.TryBeatAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task LeaveAsync(bool settled)
    {
        // The outbox outlives this host: without the heartbeat others would take what is being sent under its id for left, and send it as well.
        _presence.GiveUpName();
        if (!settled || _adoption.LeavesRuns || _outbox.IsSendingAs(_presence.HostId))
        {
            _presence.Dispose();
            return;
        }

        try
        {
            await _presence.LeaveAsync(_signals, CancellationToken.None);
        }
        catch (BlobStoreException)
        {
            // Others find the heartbeat old and forget it (T5).
            _presence.Dispose();
        }
    }

    [LoggerMessage(LogLevel.Warning, "What an earlier 'ozf exec' left could not be settled; the next call tries again")]
    private partial void NotSettled(Exception exception);
}
