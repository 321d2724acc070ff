using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Events;

namespace OzFunctions.AzureStorage;

/// <summary>Puts events on a queue of Azure Storage as plain JSON text. A repeat is a second message with the same event id.</summary>
public sealed class AzureEventQueue(StorageAccount account, string queue, string name, IReadOnlyList<RunEventKind> kinds) : IEventPublisher
{
    private readonly StorageQueue _queue = new(account, queue);

    /// <summary>The default: <c>oz-events</c>, for all kinds of events.</summary>
    public AzureEventQueue(StorageAccount account)
        : this(account, StorageNames.Events, StorageNames.Events, RunEventKinds.All)
    {
    }

    public string Name => name;

    /// <summary>Not of the account that holds the runs: its outages are its own, and must keep no run from its end.</summary>
    public bool IsForeign { get; init; }

    public bool IsPrompt => !IsForeign;

    public RetryPlan Retries => IsForeign ? RetryPlan.OneDay : RetryPlan.UntilTaken;

    public IReadOnlyList<RunEventKind> Kinds => kinds;

    public async Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        var text = MessageText.WriteJson(runEvent.Json.Span);
        if (Encoding.UTF8.GetByteCount(text) > MessageText.Largest)
        {
            throw new BlobStoreException($"Event {runEvent.Id} is larger than a message on Azure Storage Queues may be ({MessageText.Largest >> 10} KiB).", isTransient: false, null);
        }

        await _queue.SendAsync(text, StorageQueue.ForEver, cancellationToken);
    }
}
