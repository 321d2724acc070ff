using System.Text.Json;
using OzFunctions.Artifacts;
using OzFunctions.Events;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Settlement;

/// <summary>Makes the terminal form of a record: state, event and outbox in one (guarantee 5). Whoever ends a run ends it through this.</summary>
public sealed class RunEnding(OzPorts ports, RunEvents events, OwedPublishers publishers)
{
    /// <summary>Backoff of failures before a start; when it is used up the run ends (protocol T4).</summary>
    private static readonly TimeSpan[] RetryDelays = [TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5)];

    /// <summary>Who is owed the event of a run of this worker: read it before the write that may end one.</summary>
    public Task<IReadOnlyList<OutboxEntry>> OwedAsync(string workerId, CancellationToken cancellationToken) => publishers.FindAsync(workerId, cancellationToken);

    /// <param name="owed">By <see cref="OwedAsync"/>.</param>
    public RunRecord End(RunRecord record, RunReason reason, string? message, IReadOnlyList<OutboxEntry> owed, IReadOnlyList<ArtifactEntry>? artifacts = null)
    {
        var now = Now();
        var ended = record with
        {
            State = reason.State(),
            Reason = reason,
            Message = message,
            FinishedAt = now,
            UpdatedAt = now,
            WaitingFor = null,
            Attempts = CloseAttempt(record, reason, message, now),
            Outbox = owed,
        };
        using var document = JsonDocument.Parse(events.Completed(ended, artifacts).Json);
        return ended with { Event = document.RootElement.Clone() };
    }

    /// <summary>Ends an owned run with the outcome of its attempt.</summary>
    public RunRecord End(RunRecord record, Backends.AttemptOutcome outcome, IReadOnlyList<OutboxEntry> owed) =>
        End(record with { Attempts = Replace(record, outcome.Attempt) }, outcome.Reason, outcome.Message, owed, outcome.Artifacts);

    /// <summary>
    /// An attempt was lost, or failed for the infrastructure's fault (T4): cancel asked → CANCELLED; nothing started → another try after a pause, three
    /// times; started → another try if <c>max_attempts</c> allows, else the end.
    /// </summary>
    public RunRecord Lose(RunRecord record, RunReason reason, string message, AttemptRecord? attempt, IReadOnlyList<OutboxEntry> owed, IReadOnlyList<ArtifactEntry>? artifacts = null)
    {
        if (attempt is not null)
        {
            record = record with { Attempts = Replace(record, attempt) };
        }

        if (record.Cancel is { } cancel)
        {
            return End(record, RunReason.TaskCancelled, CancelMessage(cancel), owed, artifacts);
        }

        if (record.Trigger.Kind == TriggerKind.Exec)
        {
            // Its place, its terminal and its caller are gone: nobody else may start it.
            return End(record, reason, message, owed, artifacts);
        }

        if (record.State == RunState.InProgress)
        {
            return record.Starts < record.MaxStarts ? Requeue(record, reason, message, retryAt: null) : End(record, reason, message, owed, artifacts);
        }

        var failures = record.PrestartFailures + 1;
        record = record with { PrestartFailures = failures };
        return failures > RetryDelays.Length
            ? End(record, reason, message, owed, artifacts)
            : Requeue(record, reason, message, Now() + RetryDelays[failures - 1]);
    }

    /// <summary>
    /// C9 landed and the agent was not executed, which the attempt's owner alone can say: the run is as if it had only been claimed, and keeps its start.
    /// </summary>
    public static RunRecord TakeStartBack(RunRecord record) => record.State != RunState.InProgress ? record : record with
    {
        State = RunState.Claimed,
        Starts = record.Starts - 1,
        StartedAt = record.Starts == 1 ? null : record.StartedAt,
        Attempts = [.. record.Attempts.Select(attempt => attempt.Attempt == record.Attempt ? attempt with { StartedAt = null } : attempt)],
    };

    /// <summary>Gives a claimed run back without a fault (the host stops, the concurrency key is taken).</summary>
    public RunRecord GiveBack(RunRecord record, WaitingFor? waitingFor) => record with
    {
        State = RunState.Queued,
        Owner = null,
        LastFence = record.Fence,
        WaitingFor = waitingFor,
        RetryAt = null,
        Attempts = [.. record.Attempts.Where(attempt => attempt.Attempt != record.Attempt)],
    };

    public static string CancelMessage(RunCancel cancel) =>
        $"Cancelled by {cancel.By}{(cancel.Reason is null ? "" : ": " + cancel.Reason)}";

    private RunRecord Requeue(RunRecord record, RunReason reason, string message, DateTimeOffset? retryAt) => record with
    {
        State = RunState.Queued,
        Owner = null,
        LastFence = record.Fence + 1,
        WaitingFor = retryAt is null ? null : WaitingFor.Retry,
        RetryAt = retryAt,
        Message = message,
        Attempts = CloseAttempt(record, reason, message, Now()),
    };

    /// <summary>The key that its host gave it stays: what is held under it is released by whoever comes next.</summary>
    private static AttemptRecord[] Replace(RunRecord record, AttemptRecord attempt) =>
    [
        .. record.Attempts.Where(known => known.Attempt != attempt.Attempt),
        attempt with { ConcurrencyKey = record.Attempts.FirstOrDefault(known => known.Attempt == attempt.Attempt)?.ConcurrencyKey },
    ];

    private static IReadOnlyList<AttemptRecord> CloseAttempt(RunRecord record, RunReason reason, string? message, DateTimeOffset now) =>
        record.CurrentAttempt is { State: null } open && record.Owner is not null
            ? Replace(record, open with { State = reason.State(), Reason = reason, Message = message, FinishedAt = open.FinishedAt ?? now, MasksSha256 = null })
            : record.Attempts;

    private DateTimeOffset Now() => ports.Time.GetWireTime();
}
