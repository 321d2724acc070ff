using System.Collections.Concurrent;
using Azure.Messaging.ServiceBus;
using OzFunctions.Queues;

namespace OzFunctions.ServiceBus;

/// <summary>Run requests on a queue of Service Bus, taken under peek-lock and settled in well under the lock: nothing holds it for the length of a run.</summary>
/// <remarks>How long a taken message stays hidden is the queue's lock duration, not the caller's wish.</remarks>
public sealed class ServiceBusRequestQueue : IRequestQueue, IAsyncDisposable
{
    /// <summary>The SDK takes no wait of nothing.</summary>
    private static readonly TimeSpan LeastWait = TimeSpan.FromSeconds(1);

    /// <summary>Of a lock, kept for the call that gives its message back.</summary>
    private static readonly TimeSpan ReturnTakes = TimeSpan.FromSeconds(2);

    private readonly ServiceBusSender _sender;
    private readonly ServiceBusReceiver _receiver;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, ServiceBusReceivedMessage> _taken = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Task> _returning = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _disposed = new();

    public ServiceBusRequestQueue(ServiceBusConnection connection, string name, TimeProvider time)
    {
        (Name, _time) = (name, time);
        _sender = connection.Client.CreateSender(name);
        _receiver = connection.Client.CreateReceiver(name, new ServiceBusReceiverOptions { ReceiveMode = ServiceBusReceiveMode.PeekLock, PrefetchCount = 0 });
    }

    public string Name { get; }

    public async Task<string> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var message = new ServiceBusMessage(body) { MessageId = Guid.CreateVersion7(_time.GetUtcNow()).ToString("N"), ContentType = "application/json" };
        await CallAsync(() => _sender.SendMessageAsync(message, cancellationToken));
        return message.MessageId;
    }

    public async Task<QueuedMessage?> ReceiveAsync(TimeSpan visibility, TimeSpan wait, CancellationToken cancellationToken)
    {
        ServiceBusReceivedMessage? message = null;
        await CallAsync(async () => message = await _receiver.ReceiveMessageAsync(wait > LeastWait ? wait : LeastWait, cancellationToken));
        if (message is null)
        {
            return null;
        }

        Forget();
        _taken[message.LockToken] = message;
        return new() { MessageId = ReceivedMessage.IdOf(message), Receipt = message.LockToken, DeliveryCount = message.DeliveryCount, Body = ReceivedMessage.BodyOf(message) };
    }

    public Task<bool> CompleteAsync(QueuedMessage message, CancellationToken cancellationToken) =>
        SettleAsync(message, taken => _receiver.CompleteMessageAsync(taken, cancellationToken));

    /// <summary>The broker knows no delay: the lock is kept so long, at most as long as it holds, and given back then. Should this process end before, the lock runs out by itself.</summary>
    public async Task<bool> AbandonAsync(QueuedMessage message, TimeSpan delay, CancellationToken cancellationToken)
    {
        var pause = _taken.TryGetValue(message.Receipt, out var held) ? PauseWithin(held.LockedUntil - _time.GetUtcNow(), delay) : TimeSpan.Zero;
        if (pause <= TimeSpan.Zero)
        {
            return await SettleAsync(message, taken => _receiver.AbandonMessageAsync(taken, cancellationToken: cancellationToken));
        }

        if (!_taken.TryRemove(message.Receipt, out var returned))
        {
            return false;
        }

        _returning[message.Receipt] = ReturnAsync(returned, pause);
        return true;
    }

    /// <summary>Moves a message aside for good, with what is wrong with it.</summary>
    public Task<bool> DeadLetterAsync(QueuedMessage message, string reason, string description, CancellationToken cancellationToken) =>
        SettleAsync(message, taken => _receiver.DeadLetterMessageAsync(taken, DeadLetterText.Shorten(reason), DeadLetterText.Shorten(description), cancellationToken));

    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        await Task.WhenAll(_returning.Values);
        await _receiver.DisposeAsync();
        await _sender.DisposeAsync();
        _disposed.Dispose();
    }

    /// <summary>A lock that runs out gives its message back by itself: to wait longer would only hold its body here.</summary>
    /// <param name="left">Of the lock.</param>
    /// <returns>Nothing or less: it is given back at once.</returns>
    internal static TimeSpan PauseWithin(TimeSpan left, TimeSpan delay) => delay < left - ReturnTakes ? delay : left - ReturnTakes;

    private async Task<bool> SettleAsync(QueuedMessage message, Func<ServiceBusReceivedMessage, Task> settle)
    {
        if (!_taken.TryRemove(message.Receipt, out var taken))
        {
            return false;
        }

        try
        {
            await CallAsync(() => settle(taken));
            return true;
        }
        catch (Blobs.BlobStoreException ex) when (ex.InnerException is ServiceBusException { Reason: ServiceBusFailureReason.MessageLockLost or ServiceBusFailureReason.SessionLockLost })
        {
            return false;
        }
    }

    private async Task ReturnAsync(ServiceBusReceivedMessage taken, TimeSpan delay)
    {
        try
        {
            await Task.Delay(delay, _time, _disposed.Token);
        }
        catch (OperationCanceledException)
        {
            // Given back at once: the next process may have it.
        }

        try
        {
            await _receiver.AbandonMessageAsync(taken, cancellationToken: CancellationToken.None);
        }
        catch (Exception ex) when (ServiceBusConnection.IsFault(ex))
        {
            // The lock ran out meanwhile, and the message is back already; or it does so by itself.
        }

        _returning.TryRemove(taken.LockToken, out _);
    }

    /// <summary>Messages whose lock ran out while nobody settled them.</summary>
    private void Forget()
    {
        var now = _time.GetUtcNow();
        foreach (var (token, _) in _taken.Where(taken => taken.Value.LockedUntil < now - TimeSpan.FromMinutes(1)))
        {
            _taken.TryRemove(token, out _);
        }
    }

    private async Task CallAsync(Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (Exception ex) when (ServiceBusConnection.IsFault(ex))
        {
            throw ServiceBusConnection.Wrap($"Queue '{Name}'", ex);
        }
    }
}
