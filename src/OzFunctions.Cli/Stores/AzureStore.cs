using Microsoft.Extensions.Logging;
using OzFunctions.AzureStorage;
using OzFunctions.Blobs;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Events;
using OzFunctions.Configuration;
using OzFunctions.Events;
using OzFunctions.Hosts;

namespace OzFunctions.Cli.Stores;

/// <summary>The ports on Azure Storage, put together. Only what comes here loads the SDK: plain files must start as quickly as without it.</summary>
internal static class AzureStore
{
    public static OpenStore Open(Settings settings, StorageSetting storage, Surroundings surroundings, ILoggerFactory loggers)
    {
        EventPublishers.Check(settings);
        var account = OpenAccount(storage, surroundings.Time);
        var core = ConfiguredStore.CreateCore(
            surroundings.Ports(new()
            {
                StoreId = account.StoreId,
                Blobs = new AzureBlobStore(account),
                Bell = new AzureBell(account),
                HostLock = new NoHostLock(),
                Publishers = EventPublishers.Create(
                    settings, surroundings, sink => sink is null ? new AzureEventQueue(account) : new AzureEventQueue(account, sink.Queue!, sink.Name, sink.Kinds)),
                Time = surroundings.Time,
                Probe = surroundings.Probe,
            }),
            settings,
            loggers);
        return new(core, new AzureRequestQueue(account, ConfiguredStore.RequestQueue))
        {
            Name = account.Name,
            IsRemote = true,
            Repair = (warn, token) => AskAsync(core, settings.WorkerId, warn, token),
        };
    }

    /// <summary>
    /// One look at blobs and one at queues: a host with a wrong key or address ends with a sentence, instead of trying for ever. Queues that do not answer for now
    /// keep no host from adopting and claiming: they only ring.
    /// </summary>
    private static async Task AskAsync(OzCore core, string workerId, Action<string> warn, CancellationToken cancellationToken)
    {
        await core.Workers.GetPausedAsync(cancellationToken);
        await using var listener = core.Ports.Bell.Listen(workerId);
        try
        {
            await listener.WaitAsync(TimeSpan.Zero, cancellationToken);
        }
        catch (BlobStoreException ex) when (ex.IsTransient)
        {
            warn($"{ex.Message} Until its queues answer, runs are found by looking every 15 seconds, and requests and events on queues wait.");
        }
    }

    /// <summary>The configuration as a blob of the container.</summary>
    public static ConfigurationResult ReadConfiguration(string blob, StorageSetting storage, Surroundings surroundings) =>
        ConfigurationFile.Read(ReadDocument(blob, storage, surroundings).Span, $"blob:{blob}");

    /// <summary>Its bytes. Throws <see cref="BlobStoreException"/> when the account cannot be asked.</summary>
    public static ReadOnlyMemory<byte> ReadDocument(string blob, StorageSetting storage, Surroundings surroundings)
    {
        var account = OpenAccount(storage, surroundings.Time);
        try
        {
            return account.Read(blob)
                ?? throw CommandException.Usage($"blob:{blob}: there is no such blob in the container {StorageNames.Container} of {account.Name}; check OZF_CONFIG or --config-file.");
        }
        catch (ArgumentException ex)
        {
            throw CommandException.Usage($"blob:{blob}: {ex.Message}");
        }
    }

    /// <summary>A queue of an account that is not the store's (<c>events[].connection</c>). Nothing is asked of it.</summary>
    public static IEventPublisher OpenEventQueue(EventConfiguration sink, string connection, TimeProvider time) =>
        AzureEventQueue.OpenForeign(connection, sink.ConnectionKey, sink.Queue!, sink.Name, sink.Kinds, time);

    /// <summary>Why a value cannot name the account of a queue; null: it can.</summary>
    public static string? FindQueueFault(string connection)
    {
        try
        {
            _ = StorageAccount.OpenQueues(connection, new(), TimeProvider.System);
            return null;
        }
        catch (StorageSettingException ex)
        {
            return ex.Message;
        }
    }

    /// <summary>The account's address, without a secret. Nothing is asked of it.</summary>
    public static string NameOf(StorageSetting storage) => OpenAccount(storage, TimeProvider.System).Name;

    private static StorageAccount OpenAccount(StorageSetting storage, TimeProvider time)
    {
        try
        {
            return StorageAccount.Open(storage.Value, new() { Setting = storage.Origin }, time);
        }
        catch (StorageSettingException ex)
        {
            throw CommandException.Usage($"{storage.Origin}: {ex.Message}");
        }
    }
}
