using Microsoft.Extensions.Logging;
using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Settlement;
using OzFunctions.Telemetry;

namespace OzFunctions.Attempts;

/// <summary>Carries an owned attempt to its end: the backend's work, then S7 to S9, after which the slot is free, and S10 begun. An outage of the store makes it wait, never give up.</summary>
internal sealed partial class AttemptRunner(
    OzPorts ports, DispatchIndex index, ConcurrencyLocks locks, RunEnding ending, UnownedRuns unowned, EventOutbox outbox, IRunBackend backend, OzMetrics metrics, ILogger<AttemptRunner> logger)
{
    private const int MostTries = 3;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);

    /// <summary>Returns when nothing is left to do for the attempt; on <paramref name="detach"/> with <see cref="OperationCanceledException"/>, the agent living on.</summary>
    public async Task RunAsync(OwnedAttempt attempt, CancellationToken detach)
    {
        if (attempt.Adopted)
        {
            Adopted(attempt.RunId, attempt.Attempt);
        }
        else
        {
            Claimed(attempt.RunId, attempt.Attempt);
        }

        attempt.StartWaits = fault => StartWaits(attempt.RunId, fault);
        using var span = OzTelemetry.Start(OzTelemetry.RunSpan, System.Diagnostics.ActivityKind.Consumer, attempt.Record.Traceparent);
        span?.SetTag("ozf.run_id", attempt.RunId.Value).SetTag("ozf.attempt", attempt.Attempt);
        var (outcome, removed) = attempt.Directory.FindOutcome() is { } found ? (found, false) : await RunBackendAsync(attempt, detach);
        await attempt.Unlisting;
        var (settled, marker) = await RetryAsync(() => TrySettleAsync(attempt, outcome, detach), detach);
        if (settled is null)
        {
            Fenced(attempt.RunId, attempt.Attempt, attempt.TakenBy);
            attempt.LeaveRunning();
            if (!removed)
            {
                await attempt.Directory.DiscardAsync(detach);
            }

            return;
        }

        ports.Probe.Passed(ProtocolStep.S7, attempt.RunId);
        attempt.LeaveRunning();
        var reason = attempt.EndedByOthers ? settled.Record.Reason ?? outcome.Reason : outcome.Reason;
        Measure(attempt.Attempt, reason, settled.Record);
        span?.SetTag("ozf.reason", reason.Text());
        span?.SetStatus(reason is RunReason.Completed or RunReason.TaskCancelled ? System.Diagnostics.ActivityStatusCode.Ok : System.Diagnostics.ActivityStatusCode.Error);
        if (attempt.EndedByOthers)
        {
            EndedByOthers(attempt.RunId, attempt.Attempt, settled.Record.State.Text(), reason.Text(), outcome.Reason.Text());
        }
        else
        {
            Ended(attempt.RunId, attempt.Attempt, settled.Record.State.Text(), reason.Text(), outcome.Message is null ? "" : ": " + outcome.Message);
        }

        await FinishAsync(attempt, settled, removed, stop => outbox.PublishAsync(settled, marker, stop), detach);
    }

    private void Measure(int number, RunReason reason, RunRecord record)
    {
        if (record.Attempts.FirstOrDefault(attempt => attempt.Attempt == number) is { } ended)
        {
            metrics.Ended(ended, reason, again: record.State == RunState.Queued);
        }
        else
        {
            // Given back: its number is not kept.
            metrics.GivenBack();
        }
    }

    /// <summary>Where an adopted directory belongs to a run that ended already.</summary>
    public async Task FinishAdoptedAsync(OwnedAttempt attempt, StoredRun settled, CancellationToken cancellationToken)
    {
        // Without an outcome the run was ended from elsewhere (T4): its processes and its workspace may still be here.
        var removed = attempt.Directory.FindOutcome() is null;
        if (removed)
        {
            await attempt.Directory.DiscardAsync(cancellationToken);
        }

        await FinishAsync(attempt, settled, removed, stop => outbox.PublishAsync(attempt.RunId, stop), cancellationToken);
    }

    /// <summary>
    /// S8 and S9 of a record that is settled; S10 and S11 go on beside. A run that waits again has its entry before the directory goes: whoever is killed on the way leaves
    /// one of the two, by which the run is found at once, unless the store did not take the entry. Who claims it meanwhile does so in a directory of its own, and this one is of an attempt that is over.
    /// </summary>
    private async Task FinishAsync(OwnedAttempt attempt, StoredRun settled, bool removed, Func<CancellationToken, Task> publish, CancellationToken cancellationToken)
    {
        await ReleaseAsync(attempt, settled, cancellationToken);
        var waits = settled.Record.State == RunState.Queued;
        if (waits)
        {
            await TryAFewTimesAsync(attempt.RunId, () => unowned.PutBackAsync(settled.Record, cancellationToken), cancellationToken);
        }

        if (!removed)
        {
            attempt.Directory.Delete();
        }

        ports.Probe.Passed(ProtocolStep.S9, attempt.RunId);
        if (waits)
        {
            return;
        }

        try
        {
            if (settled.Record.Request.ExpiresAt is not null)
            {
                await index.RemoveAsync(settled.Record, cancellationToken);
            }

            outbox.PublishBeside(attempt.RunId, publish);
        }
        catch (BlobStoreException ex)
        {
            // The record carries all that is owed; the tick sends it (T3).
            NotFinished(attempt.RunId, ex);
        }
    }

    /// <summary>S8: a holder that is not live is dropped by the next taker, but a key that nobody takes again would keep its lock's blob.</summary>
    private async Task ReleaseAsync(OwnedAttempt attempt, StoredRun settled, CancellationToken cancellationToken)
    {
        if (await TryAFewTimesAsync(attempt.RunId, () => locks.ReleaseAsync(settled.Record, attempt.Attempt, attempt.ConcurrencyKey, cancellationToken), cancellationToken))
        {
            ports.Probe.Passed(ProtocolStep.S8, attempt.RunId);
        }
    }

    /// <summary>False: it failed each time, and is left to a tick (T3) or to whoever comes next.</summary>
    private async Task<bool> TryAFewTimesAsync(RunId runId, Func<Task> step, CancellationToken cancellationToken)
    {
        var pause = FirstPause;
        for (var tries = 1; ; tries++)
        {
            try
            {
                await step();
                return true;
            }
            catch (BlobStoreException ex) when (tries == MostTries)
            {
                NotFinished(runId, ex);
                return false;
            }
            catch (BlobStoreException)
            {
                await Task.Delay(pause, ports.Time, cancellationToken);
                pause *= 2;
            }
        }
    }

    /// <summary>Its outcome, and whether the attempt directory is gone already.</summary>
    private async Task<(AttemptOutcome Outcome, bool Removed)> RunBackendAsync(OwnedAttempt attempt, CancellationToken detach)
    {
        try
        {
            return (await backend.RunAsync(attempt, detach), false);
        }
        catch (Exception ex) when (!(ex is OperationCanceledException && detach.IsCancellationRequested))
        {
            // The one catch-all of an attempt: a fault in one run must not stop the others, and the run must still end.
            Crashed(attempt.RunId, ex);
            // S1 holds here too: nothing of it may be left when the record says that it is over.
            await attempt.Directory.DiscardAsync(detach);
            var record = attempt.Record.CurrentAttempt!;
            return (new() { Reason = RunReason.Internal, Message = "The host failed; its log says more.", Attempt = record with { Reason = RunReason.Internal } }, true);
        }
    }

    /// <summary>S7, and the marker as it stood before. Null: fenced.</summary>
    private async Task<(StoredRun? Settled, ETag? Marker)> TrySettleAsync(OwnedAttempt attempt, AttemptOutcome outcome, CancellationToken cancellationToken)
    {
        var owed = await ending.OwedAsync(attempt.Record.WorkerId, cancellationToken);
        var marker = await outbox.FindMarkerAsync(attempt.RunId, cancellationToken);
        var settled = await attempt.WriteAsync(
            record =>
            {
                record = outcome.NotExecuted is true ? RunEnding.TakeStartBack(record) : record;
                if (outcome.Reason.State() != RunState.Error)
                {
                    return RecordDecision.Write(ending.End(record, outcome with { Attempt = Merge(record, outcome) }, owed));
                }

                return RecordDecision.Write(outcome.Reason == RunReason.GracefulShutdown && record.State == RunState.Claimed && record.Cancel is null && record.Trigger.Kind != TriggerKind.Exec
                    ? ending.GiveBack(record, waitingFor: null)
                    : ending.Lose(record, outcome.Reason, outcome.Message ?? outcome.Reason.Text(), Merge(record, outcome), owed, outcome.Artifacts));
            },
            cancellationToken);
        return (settled, marker);
    }

    /// <summary>What the record knows of the attempt (who, when) with what the backend measured.</summary>
    private AttemptRecord Merge(RunRecord record, AttemptOutcome outcome)
    {
        var known = record.CurrentAttempt;
        var durations = outcome.Attempt.Durations ?? new();
        return outcome.Attempt with
        {
            Attempt = record.Attempt,
            HostId = record.Owner!.HostId,
            Host = outcome.Attempt.Host ?? known?.Host,
            ClaimedAt = known?.ClaimedAt,
            StartedAt = known?.StartedAt ?? outcome.Attempt.StartedAt,
            FinishedAt = outcome.Attempt.FinishedAt ?? ports.Time.GetWireTime(),
            State = outcome.Reason.State(),
            Reason = outcome.Reason,
            Message = outcome.Message,
            Durations = durations with { Queued = durations.Queued ?? known?.ClaimedAt - record.CreatedAt },
        };
    }

    private async Task<T> RetryAsync<T>(Func<Task<T>> action, CancellationToken cancellationToken)
    {
        var pause = FirstPause;
        while (true)
        {
            try
            {
                return await action();
            }
            catch (BlobStoreException ex)
            {
                // The outcome stands in outcome.json (S6); the store must take it in the end, whoever writes it.
                Waiting(pause, ex);
                await Task.Delay(pause, ports.Time, cancellationToken);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    [LoggerMessage(LogLevel.Information, "Run {RunId} claimed, attempt {Attempt}")]
    private partial void Claimed(RunId runId, int attempt);

    [LoggerMessage(LogLevel.Information, "Run {RunId} adopted from a host that is gone, attempt {Attempt} goes on")]
    private partial void Adopted(RunId runId, int attempt);

    [LoggerMessage(LogLevel.Information, "Run {RunId} attempt {Attempt} is over, the run is {State} ({Reason}){Detail}")]
    private partial void Ended(RunId runId, int attempt, string state, string reason, string detail);

    [LoggerMessage(LogLevel.Warning, "Run {RunId} attempt {Attempt} was taken from this host, {TakenBy}; what it left here is removed")]
    private partial void Fenced(RunId runId, int attempt, string takenBy);

    [LoggerMessage(LogLevel.Warning, "Run {RunId} attempt {Attempt} was given up for lost while this host was away, the run is {State} ({Reason}); what came of it here ({Outcome}) counts no more")]
    private partial void EndedByOthers(RunId runId, int attempt, string state, string reason, string outcome);

    [LoggerMessage(LogLevel.Warning, "Run {RunId} cannot be started now, its record cannot be written; it waits for the store")]
    private partial void StartWaits(RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Error, "Run {RunId} met a fault of this host")]
    private partial void Crashed(RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Warning, "Run {RunId} is settled, what follows failed; the next tick repeats it")]
    private partial void NotFinished(RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Warning, "An outcome could not be written; next try in {Pause}")]
    private partial void Waiting(TimeSpan pause, Exception exception);
}
