using Microsoft.Extensions.Logging;
using OzFunctions.Events;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Telemetry;

namespace OzFunctions.Settlement;

/// <summary>
/// The events that are best effort (protocol S11): <c>queued</c> and <c>started</c>, sent once to those publishers of the run's worker that this process has, and lost
/// when one does not take them. A host sends to foreign ground beside its work; a command has nobody to leave it to and waits a little.
/// </summary>
public sealed partial class EventNotices(OzPorts ports, RunEvents events, EventOutbox outbox, OzMetrics metrics, ILogger<EventNotices> logger)
{
    private static readonly TimeSpan AtMost = TimeSpan.FromSeconds(3);

    /// <summary>By themselves: what is slow for an event that nobody owes may do for one that is owed.</summary>
    private readonly PutOffPublishers _putOff = new(ports.Time);

    public Task QueuedAsync(RunRecord record, CancellationToken cancellationToken) => SendAsync(record, RunEventKind.Queued, () => events.Queued(record), cancellationToken);

    public Task StartedAsync(RunRecord record, CancellationToken cancellationToken)
    {
        metrics.Started(ports.Time.GetUtcNow() - record.CreatedAt);
        return SendAsync(record, RunEventKind.Started, () => events.Started(record), cancellationToken);
    }

    private async Task SendAsync(RunRecord record, RunEventKind kind, Func<RunEvent> render, CancellationToken cancellationToken)
    {
        var wanting = ports.Publishers.Where(publisher => !publisher.IsElsewhere && publisher.Kinds.Contains(kind) && outbox.FindOwn(record.WorkerId, publisher.Name) is not null).ToList();
        if (wanting.Count == 0)
        {
            return;
        }

        try
        {
            var rendered = render();
            await Task.WhenAll(wanting.Select(publisher => SendAsync(publisher, rendered, cancellationToken)));
        }
        catch (Exception ex) when (ex is not OperationCanceledException)
        {
            NotSent(kind.Text(), "any publisher", ex);
        }
    }

    private async Task SendAsync(IEventPublisher publisher, RunEvent rendered, CancellationToken cancellationToken)
    {
        if (outbox.FindLane(publisher.Name) is { } lane)
        {
            lane.Notify(stop => TrySendAsync(publisher, rendered, stop));
            return;
        }

        if (outbox.IsPutOff(publisher.Name) || _putOff.Contains(publisher.Name))
        {
            return;
        }

        using var deadline = new CancellationTokenSource(AtMost, ports.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var began = ports.Time.GetTimestamp();
        var sent = await TrySendAsync(publisher, rendered, either.Token);
        cancellationToken.ThrowIfCancellationRequested();
        _putOff.Note(publisher.Name, began, sent);
    }

    private async Task<bool> TrySendAsync(IEventPublisher publisher, RunEvent rendered, CancellationToken cancellationToken)
    {
        try
        {
            await publisher.PublishAsync(rendered, cancellationToken);
            return true;
        }
        catch (Exception ex)
        {
            // Best effort by contract: the completion event is the one that is owed.
            NotSent(rendered.Id, publisher.Name, ex);
            return false;
        }
    }

    [LoggerMessage(LogLevel.Warning, "Event {EventId} was not taken by {Publisher} and is not sent again")]
    private partial void NotSent(string eventId, string publisher, Exception exception);
}
