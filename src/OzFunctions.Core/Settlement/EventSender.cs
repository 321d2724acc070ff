using Microsoft.Extensions.Logging;
using OzFunctions.Events;
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
internal sealed partial class EventSender(OzPorts ports, OwedPublishers owed, PutOffPublishers putOff, EventDeliveryLog log, OzMetrics metrics, ILogger logger)
{
    /// <summary>A queue that takes longer than this is as good as away.</summary>
    private static readonly TimeSpan PromptWithin = TimeSpan.FromSeconds(15);

    /// <summary>A publisher that no host has any more is waited for this long: an upgrade, a configuration that is put right.</summary>
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromDays(1);

    /// <summary>The store's own queue, which is the same one whoever's configuration it is in.</summary>
    private const string StoreQueue = "oz-events";

    private readonly Dictionary<string, IEventPublisher> _publishers = ports.Publishers.ToDictionary(publisher => publisher.Name, StringComparer.Ordinal);

    /// <summary>The publisher of this name that this process has for runs of the worker. Null: it has none, or its own of that name is another worker's.</summary>
    public IEventPublisher? FindOwn(string workerId, string publisher) =>
        _publishers.TryGetValue(publisher, out var own) && (own is { Name: StoreQueue, IsPrompt: true } || owed.AreOf(workerId)) ? own : null;

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

        if (FindOwn(record.WorkerId, entry.Publisher) is not { } publisher)
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

    /// <summary>One try at a publisher on foreign ground, which may take its time. What came of it stands in the delivery log when this answers.</summary>
    public async Task<PublisherDelivery> DeliverAsync(IEventPublisher publisher, RunEvent stored, OutboxEntry entry, CancellationToken cancellationToken)
    {
        var failure = await TrySendAsync(publisher, stored, cancellationToken);
        var delivery = Result(publisher, entry, failure);
        if (failure is not null)
        {
            PublishFailed(stored.RunId, publisher.Name, delivery.NextAt is { } again ? $"next try at {TimeText.Format(again)}" : "it is not tried again by itself (ozf events redeliver)", failure);
        }

        await log.NoteAsync(stored, delivery, cancellationToken);
        return delivery;
    }

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

    /// <summary>A publisher that is in nobody's configuration any more must not keep the marker for ever.</summary>
    private async Task<bool> IsForgottenAsync(RunRecord record, RunEvent stored, OutboxEntry entry, CancellationToken cancellationToken)
    {
        var since = entry.NextAt > record.FinishedAt ? entry.NextAt : record.FinishedAt ?? record.UpdatedAt;
        if (ports.Time.GetUtcNow() - since < ForgottenAfter || await owed.IsKnownAsync(record.WorkerId, entry.Publisher, cancellationToken))
        {
            return false;
        }

        Forgotten(record.RunId, entry.Publisher);
        var delivery = new PublisherDelivery
        {
            Publisher = entry.Publisher,
            State = EventDeliveryState.Failed,
            Tries = entry.Tries,
            At = ports.Time.GetWireTime(),
            Message = $"No host of worker '{record.WorkerId}' has a publisher of this name any more.",
        };
        await log.NoteAsync(stored, delivery, cancellationToken);
        return true;
    }

    [LoggerMessage(LogLevel.Warning, "The completion event of run {RunId} could not be sent to {Publisher}; {Next}")]
    private partial void PublishFailed(RunId runId, string publisher, string next, Exception exception);

    [LoggerMessage(LogLevel.Error, "Run {RunId} is terminal and its record holds no event; nothing was sent")]
    private partial void NoEvent(RunId runId);

    [LoggerMessage(LogLevel.Error, "The completion event of run {RunId} is not sent to {Publisher}: no host has a publisher of this name any more")]
    private partial void Forgotten(RunId runId, string publisher);
}
