using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Json;

namespace OzFunctions.Files;

/// <summary>
/// Puts events on the queue <c>oz-events</c>, in the order of their own times, under a name that follows from the event's id: a repeat of one
/// that still waits replaces itself. A <see cref="FilesRequestQueue"/> of that name reads them.
/// </summary>
/// <remarks>A queue that nobody reads must not fill the disk: messages older than <see cref="Kept"/>, and the oldest above <see cref="MostKept"/>, are dropped. The events themselves stand in the records.</remarks>
public sealed class FilesEventQueue(FilesStore store, string queue, string name, IReadOnlyList<RunEventKind> kinds) : IEventPublisher
{
    /// <summary>The default queue, and the default publisher's name in the outbox.</summary>
    public const string QueueName = "oz-events";

    /// <summary>Of messages that wait. As long as Azure Storage keeps a message unless told otherwise.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(7);

    /// <summary>Messages that wait.</summary>
    public const int MostKept = 10_000;

    private const int TrimEvery = 500;

    private readonly Spool _spool = new(store, queue);
    private int _published;

    /// <summary>The default: <c>oz-events</c>, for all kinds of events.</summary>
    public FilesEventQueue(FilesStore store)
        : this(store, QueueName, QueueName, RunEventKinds.All)
    {
    }

    public string Name => name;

    public IReadOnlyList<RunEventKind> Kinds => kinds;

    public Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellationToken);
        }

        try
        {
            _spool.Publish(TimeOf(runEvent), runEvent.Id, runEvent.Json.Span);
            if (Interlocked.Increment(ref _published) % TrimEvery == 1)
            {
                _spool.Trim(MostKept, Kept);
            }

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
