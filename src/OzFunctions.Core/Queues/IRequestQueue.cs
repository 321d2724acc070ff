namespace OzFunctions.Queues;

/// <summary>Run requests that foreign producers send. At least once; a message not completed comes back. Contract: <c>RequestQueueContract</c>.</summary>
public interface IRequestQueue
{
    /// <summary>The queue's name, part of the idempotency key of its messages.</summary>
    string Name { get; }

    /// <summary>Where other readers of this queue put messages that they gave up (<c>-poison</c>); null: the store has none, or this is one.</summary>
    IRequestQueue? GivenUp => null;

    /// <summary>A sending whose answer was lost may have put a message there before it is repeated: two messages, two ids.</summary>
    bool MayDouble => false;

    /// <summary>Puts a message on the queue as it is, durable when it answers; returns its id. Run requests of ours: <see cref="RequestSending"/>.</summary>
    Task<string> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken);

    /// <summary>
    /// Takes the oldest visible message and hides it for <paramref name="visibility"/>; waits up to <paramref name="wait"/> for one. Null: none came.
    /// </summary>
    Task<QueuedMessage?> ReceiveAsync(TimeSpan visibility, TimeSpan wait, CancellationToken cancellationToken);

    /// <summary>Removes a received message for good. False: the receipt is no longer valid, somebody else may have it.</summary>
    Task<bool> CompleteAsync(QueuedMessage message, CancellationToken cancellationToken);

    /// <summary>Gives a received message back; it is visible again after <paramref name="delay"/>.</summary>
    Task<bool> AbandonAsync(QueuedMessage message, TimeSpan delay, CancellationToken cancellationToken);
}

/// <summary>A received message. <see cref="DeliveryCount"/> is 1 on the first delivery.</summary>
public sealed record QueuedMessage
{
    public required string MessageId { get; init; }

    public required string Receipt { get; init; }

    public required int DeliveryCount { get; init; }

    public required ReadOnlyMemory<byte> Body { get; init; }
}
