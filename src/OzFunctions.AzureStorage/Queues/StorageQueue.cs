using Azure;
using Azure.Storage.Queues;

namespace OzFunctions.AzureStorage;

/// <summary>One queue, made when it is found missing.</summary>
internal sealed class StorageQueue(StorageAccount account, string name)
{
    /// <summary>The service keeps a message this long unless told otherwise; ours wait for ever.</summary>
    public static readonly TimeSpan ForEver = TimeSpan.FromSeconds(-1);

    public string Name => name;

    public QueueClient Client { get; } = account.Queue(name);

    /// <summary>Sends; answers the message's id. A lost answer doubles it: readers know a doubled message by what is in it (a run request's key, an event's id).</summary>
    public Task<string> SendAsync(string text, TimeSpan timeToLive, CancellationToken cancellationToken) => account.QueueCalls.RunAsync(
        async (_, token) =>
        {
            try
            {
                return (await Client.SendMessageAsync(text, timeToLive: timeToLive, cancellationToken: token)).Value.MessageId;
            }
            catch (RequestFailedException ex) when (ex.ErrorCode == StorageFaults.QueueNotFound)
            {
                await Client.CreateIfNotExistsAsync(cancellationToken: token);
                return (await Client.SendMessageAsync(text, timeToLive: timeToLive, cancellationToken: token)).Value.MessageId;
            }
        },
        cancellationToken);

    /// <summary>Reads something of the queue; one that is not there yet is empty, and made, so that its producers find it.</summary>
    public Task<T?> ReadAsync<T>(Func<QueueClient, CancellationToken, Task<T?>> read, CancellationToken cancellationToken)
        where T : class => account.QueueCalls.RunAsync(
        async (_, token) =>
        {
            try
            {
                return await read(Client, token);
            }
            catch (RequestFailedException ex) when (ex.ErrorCode == StorageFaults.QueueNotFound)
            {
                await Client.CreateIfNotExistsAsync(cancellationToken: token);
                return null;
            }
        },
        cancellationToken);
}
