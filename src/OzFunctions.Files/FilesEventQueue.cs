using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Json;

namespace OzFunctions.Files;

/// <summary>
/// Puts events on the queue <c>oz-events</c>, in the order of their own times, under a name that follows from the event's id: a repeat of one
/// that still waits replaces itself. A <see cref="FilesRequestQueue"/> of that name reads them.
/// </summary>
public sealed class FilesEventQueue(FilesStore store) : IEventPublisher
{
    /// <summary>The queue, and the publisher's name in the outbox.</summary>
    public const string QueueName = "oz-events";

    private readonly Spool _spool = new(store, QueueName);

    public string Name => QueueName;

    public Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellationToken);
        }

        try
        {
            _spool.Publish(TimeOf(runEvent), runEvent.Id, runEvent.Json.Span);
            return Task.CompletedTask;
        }
        catch (BlobStoreException exception)
        {
            return Task.FromException(exception);
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            return Task.FromException(StoreFaults.From(exception, _spool.Ready));
        }
    }

    /// <summary>The event's own time, the same at every repeat; without one the run's.</summary>
    private static DateTimeOffset TimeOf(RunEvent runEvent)
    {
        var fallback = DateTimeOffset.FromUnixTimeMilliseconds(runEvent.RunId.Milliseconds);
        try
        {
            using var document = JsonDocument.Parse(runEvent.Json);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("time", out var text) && text.ValueKind == JsonValueKind.String
                && TimeText.TryParse(text.GetString(), out var time) ? time : fallback;
        }
        catch (JsonException)
        {
            return fallback;
        }
    }
}
