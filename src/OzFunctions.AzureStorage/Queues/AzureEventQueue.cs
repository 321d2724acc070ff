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

    /// <summary>A queue of an account that is not the store's. Nothing is asked of it yet.</summary>
    /// <param name="connection">A connection string or an https address, as for <see cref="StorageAccount.Open"/>.</param>
    /// <param name="setting">The setting that gave it, which messages about a refusal name.</param>
    /// <exception cref="StorageSettingException">The connection cannot name an account.</exception>
    public static AzureEventQueue OpenForeign(string connection, string setting, string queue, string name, IReadOnlyList<RunEventKind> kinds, TimeProvider time) =>
        new(StorageAccount.OpenQueues(connection, new() { Setting = setting }, time), queue, name, kinds) { IsForeign = true };

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
