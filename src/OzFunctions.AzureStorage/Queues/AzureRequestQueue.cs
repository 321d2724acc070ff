using System.Text;
using Azure;
using Azure.Storage.Queues.Models;
using OzFunctions.Blobs;
using OzFunctions.Queues;

namespace OzFunctions.AzureStorage;

/// <summary>Run requests on a queue of Azure Storage, plain or base64 text, looked for at the pace of <see cref="PollPace"/>.</summary>
public sealed class AzureRequestQueue : IRequestQueue
{
    private readonly StorageAccount _account;
    private readonly StorageQueue _queue;
    private readonly PollPace _pace;

    public AzureRequestQueue(StorageAccount account, string name)
    {
        _account = account;
        _queue = new(account, name);
        _pace = new(account.Time);
    }

    public string Name => _queue.Name;

    /// <summary>
    /// Where the Functions runtime puts what its function failed on again and again. What a function fails on that reads this place stays in it: the runtime gives a queue
    /// of such a name none of its own (its <c>QueueListenerFactory</c>).
    /// </summary>
    public IRequestQueue? GivenUp => Name.EndsWith(StorageNames.Poison, StringComparison.Ordinal) ? null : new AzureRequestQueue(_account, Name + StorageNames.Poison);

    public bool MayDouble => true;

    public async Task<string> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var text = MessageText.Write(body.Span);
        var bytes = Encoding.UTF8.GetByteCount(text);
        return bytes <= MessageText.Largest
            ? await _queue.SendAsync(text, StorageQueue.ForEver, cancellationToken)
            : throw new BlobStoreException($"A message on Azure Storage Queues has at most {MessageText.Largest >> 10} KiB, this one has {bytes} bytes; 'ozf run' takes longer prompts.", isTransient: false, null);
    }

    public async Task<QueuedMessage?> ReceiveAsync(TimeSpan visibility, TimeSpan wait, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(visibility, TimeSpan.Zero);
        var started = _account.Time.GetTimestamp();
        while (true)
        {
            var looked = _account.Time.GetTimestamp();
            var message = await _queue.ReadAsync<QueueMessage>(
                async (client, token) => (await client.ReceiveMessageAsync(visibility, token)).Value, cancellationToken);
            if (message is not null)
            {
                _pace.NoteWork();
                return new()
                {
                    MessageId = message.MessageId,
                    Receipt = message.PopReceipt,
                    DeliveryCount = (int)message.DequeueCount,
                    Body = MessageText.Read(message.MessageText),
                };
            }

            var left = wait - _account.Time.GetElapsedTime(started);
            if (left <= TimeSpan.Zero)
            {
                return null;
            }

            var pause = _pace.Next(looked);
            await Task.Delay(left < pause ? left : pause, _account.Time, cancellationToken);
        }
    }

    public Task<bool> CompleteAsync(QueuedMessage message, CancellationToken cancellationToken) => _account.QueueCalls.RunAsync(
        async (tries, token) =>
        {
            try
            {
                await _queue.Client.DeleteMessageAsync(message.MessageId, message.Receipt, token);
                return true;
            }
            catch (RequestFailedException ex) when (IsStale(ex))
            {
                // Gone after an answer that was lost: this very call removed it, or somebody else has completed it since, which comes to the same.
                return tries.AnswerMayBeLost && ex.Status == 404;
            }
        },
        cancellationToken);

    public Task<bool> AbandonAsync(QueuedMessage message, TimeSpan delay, CancellationToken cancellationToken) => _account.QueueCalls.RunAsync(
        async (tries, token) =>
        {
            try
            {
                await _queue.Client.UpdateMessageAsync(message.MessageId, message.Receipt, visibilityTimeout: delay, cancellationToken: token);
                return true;
            }
            catch (RequestFailedException ex) when (IsStale(ex))
            {
                // The update makes the receipt stale: after a lost answer it was done.
                return tries.AnswerMayBeLost && ex.Status != 404;
            }
        },
        cancellationToken);

    private static bool IsStale(RequestFailedException failed) => failed.Status == 404 || failed.ErrorCode is "PopReceiptMismatch" or "InvalidQueryParameterValue";
}
