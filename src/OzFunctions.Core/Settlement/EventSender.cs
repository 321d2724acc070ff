using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Json;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Telemetry;

namespace OzFunctions.Settlement;

/// <summary>
/// The publishers that this process has, and one try at one of them: what came of it, and what the publisher's entry becomes. What it answers is for others to write into the
/// record.
/// </summary>
/// <param name="logger">The outbox's: what it says is of the outbox's work.</param>
internal sealed partial class EventSender(OzPorts ports, OwedPublishers owed, PutOffPublishers putOff, EventDeliveryLog log, HostRegistry hosts, OzMetrics metrics, ILogger logger)
{
    /// <summary>A queue that takes longer than this is as good as away.</summary>
    private static readonly TimeSpan PromptWithin = TimeSpan.FromSeconds(15);

    /// <summary>A publisher that no host has any more is waited for this long: an upgrade, a configuration that is put right.</summary>
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromDays(1);

    /// <summary>A worker whose hosts had it and that has no host now is waited for this long: machines may rest for a weekend, and a run waits for a host as long.</summary>
    private static readonly TimeSpan HostlessAfter = TimeSpan.FromDays(7);

    private readonly Dictionary<string, IEventPublisher> _publishers = ports.Publishers.ToDictionary(publisher => publisher.Name, StringComparer.Ordinal);

    /// <summary>The publisher of this name that this process has for runs of the worker. Null: it has none, or its own of that name is another worker's.</summary>
    public IEventPublisher? FindOwn(string workerId, string publisher) =>
        _publishers.TryGetValue(publisher, out var own) && (own is { Name: OwedPublishers.StoreQueue, IsPrompt: true } || owed.AreOf(workerId)) ? own : null;

    /// <summary>The publisher of this entry, if this process has it.</summary>
    public IEventPublisher? FindOwn(RunRecord record, OutboxEntry entry) => FindOwn(WorkerOf(record, entry), entry.Publisher);

    /// <summary>The publisher of this name, whoever's it is.</summary>
    public IEventPublisher Get(string publisher) => _publishers[publisher];

    /// <summary>What becomes of one entry here and now; null: nothing, it is another's or not due. A lane may be at it.</summary>
    public async Task<SendResult?> SendPromptAsync(RunRecord record, OutboxEntry entry, CancellationToken cancellationToken)
    {
        if (RunEvents.FindStored(record) is not { } stored)
        {
            NoEvent(record.RunId);
            return new(entry.Publisher, null, null);
        }

        if (FindOwn(record, entry) is not { } publisher)
        {
            return await IsForgottenAsync(record, stored, entry, cancellationToken) ? new(entry.Publisher, null, entry) : null;
        }

        if (entry.NextAt > ports.Time.GetUtcNow() || publisher is { IsPrompt: false } or { IsElsewhere: true } || putOff.Contains(entry.Publisher))
        {
            return null;
        }

        using var deadline = new CancellationTokenSource(PromptWithin, ports.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var began = ports.Time.GetTimestamp();
        Exception? failure;
        try
        {
            failure = await TrySendAsync(publisher, stored, either.Token);
        }
        catch (OperationCanceledException ex) when (!cancellationToken.IsCancellationRequested)
        {
            failure = ex;
        }

        putOff.Note(entry.Publisher, began, sent: failure is null);
        if (failure is null)
        {
            return new(entry.Publisher, null, null);
        }

        var delay = publisher.Retries.FindDelay(entry.Tries + 1) ?? RetryPlan.Longest;
        PublishFailed(record.RunId, entry.Publisher, $"next try in {Requests.DurationText.Format(delay)}", failure);
        return new(entry.Publisher, entry with { Tries = entry.Tries + 1, NextAt = ports.Time.GetWireTime(delay), HostId = null }, entry);
    }

    /// <summary>One try at a publisher on foreign ground, which may take its time. What came of it is for the caller to note, in the delivery log first.</summary>
    public async Task<PublisherDelivery> TryAsync(IEventPublisher publisher, RunEvent stored, OutboxEntry entry, CancellationToken cancellationToken)
    {
        var failure = await TrySendAsync(publisher, stored, cancellationToken);
        var delivery = Result(publisher, entry, failure);
        if (failure is not null)
        {
            PublishFailed(stored.RunId, publisher.Name, delivery.NextAt is { } again ? $"next try at {TimeText.Format(again)}" : "it is not tried again by itself (ozf events redeliver)", failure);
        }

        return delivery;
    }

    /// <summary>
    /// Notes in the delivery log how a try ended. An entry that the store refuses for good (somebody put a lease or a hold on it) is passed over: the log is for people, and what
    /// went out must not go out again for its sake.
    /// </summary>
    public async Task LogAsync(RunEvent stored, PublisherDelivery delivery, CancellationToken cancellationToken)
    {
        try
        {
            await log.NoteAsync(stored, delivery, cancellationToken);
        }
        catch (BlobStoreException ex) when (!ex.IsOutage)
        {
            NotLogged(stored.RunId, delivery.Publisher, delivery.State, ex);
        }
    }

    private static string WorkerOf(RunRecord record, OutboxEntry entry) => entry.WorkerId ?? record.WorkerId;

    private PublisherDelivery Result(IEventPublisher publisher, OutboxEntry entry, Exception? failure)
    {
        var now = ports.Time.GetWireTime();
        var said = failure as EventDeliveryException;
        var tries = entry.Tries + 1;
        var delay = failure is null || said?.IsFinal == true ? null : publisher.Retries.FindDelay(tries);
        if (delay is not null && said?.RetryAfter is { } asked && asked > delay)
        {
            delay = asked < RetryPlan.Longest ? asked : RetryPlan.Longest;
        }

        return new()
        {
            Publisher = publisher.Name,
            State = failure is null ? EventDeliveryState.Delivered : delay is null ? EventDeliveryState.Failed : EventDeliveryState.Retrying,
            Tries = tries,
            At = now,
            Status = said?.Status,
            Message = failure?.Message,
            NextAt = delay is null ? null : ports.Time.GetWireTime(delay.Value),
        };
    }

    private async Task<Exception?> TrySendAsync(IEventPublisher publisher, RunEvent stored, CancellationToken cancellationToken)
    {
        using var span = OzTelemetry.Start(OzTelemetry.PublishSpan, System.Diagnostics.ActivityKind.Producer, stored.Traceparent);
        span?.SetTag("ozf.run_id", stored.RunId.Value).SetTag("ozf.publisher", publisher.Name);
        try
        {
            await publisher.PublishAsync(stored, cancellationToken);
            metrics.Published(sent: true);
            return null;
        }
        catch (Exception ex) when (!cancellationToken.IsCancellationRequested)
        {
            // A publisher is foreign ground: whatever it throws, the others get their event and this one is tried again.
            metrics.Published(sent: false);
            span?.SetStatus(System.Diagnostics.ActivityStatusCode.Error);
            return ex;
        }
    }

    /// <summary>A publisher that no host has any more, or has at all, must not keep the marker for ever.</summary>
    private async Task<bool> IsForgottenAsync(RunRecord record, RunEvent stored, OutboxEntry entry, CancellationToken cancellationToken)
    {
        var ended = record.FinishedAt ?? record.UpdatedAt;
        var waited = ports.Time.GetUtcNow() - (entry.NextAt is { } due && due > ended ? due : ended);
        if (waited < ForgottenAfter || await FindWhyForgottenAsync(WorkerOf(record, entry), entry.Publisher, waited, cancellationToken) is not { } why)
        {
            return false;
        }

        Forgotten(record.RunId, entry.Publisher, why);
        var delivery = new PublisherDelivery
        {
            Publisher = entry.Publisher,
            State = EventDeliveryState.Failed,
            Tries = entry.Tries,
            At = ports.Time.GetWireTime(),
            Message = why,
        };
        await LogAsync(stored, delivery, cancellationToken);
        return true;
    }

    /// <summary>Null: hosts of the worker have it and are there, or may come back.</summary>
    private async Task<string?> FindWhyForgottenAsync(string workerId, string publisher, TimeSpan waited, CancellationToken cancellationToken)
    {
        if (!await owed.IsSaidAsync(workerId, publisher, cancellationToken))
        {
            return $"No host of worker '{workerId}' has a publisher of this name.";
        }

        // A host that was there meanwhile has sent it. Heartbeats of hosts that died stand for a day.
        return waited < HostlessAfter || (await hosts.ListAsync(cancellationToken)).Any(host => host.IsWorkers && host.Heartbeat.WorkerId == workerId)
            ? null
            : $"Worker '{workerId}', whose hosts have this publisher, has no host any more.";
    }

    [LoggerMessage(LogLevel.Warning, "The completion event of run {RunId} could not be sent to {Publisher}; {Next}")]
    private partial void PublishFailed(RunId runId, string publisher, string next, Exception exception);

    [LoggerMessage(LogLevel.Warning, "What became of the event of run {RunId} at {Publisher} ({State}) could not be written into the delivery log; the event is not sent again for that")]
    private partial void NotLogged(RunId runId, string publisher, EventDeliveryState state, Exception exception);

    [LoggerMessage(LogLevel.Error, "Run {RunId} is terminal and its record holds no event; nothing was sent")]
    private partial void NoEvent(RunId runId);

    [LoggerMessage(LogLevel.Error, "The completion event of run {RunId} is not sent to {Publisher}: {Why}")]
    private partial void Forgotten(RunId runId, string publisher, string why);
}
