using OzFunctions.Queues;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>A queue that knows how many messages are left, on it and on those where readers put what they gave up.</summary>
/// <param name="longest">How long a message is hidden at most; null: as long as its reader asks. A real queue's clock cannot be moved.</param>
internal sealed class SweptQueue(IRequestQueue inner, TimeSpan? longest) : IRequestQueue
{
    private readonly SweptQueue? _givenUp = inner.GivenUp is { } givenUp ? new(givenUp, longest) : null;
    private int _left;

    public int Left => Volatile.Read(ref _left) + (_givenUp?.Left ?? 0);

    /// <summary>A fault on purpose: what was handed out once is forgotten.</summary>
    public bool Forgets { get; init; }

    public string Name => inner.Name;

    public IRequestQueue? GivenUp => _givenUp;

    public bool MayDouble => inner.MayDouble;

    public async Task<string> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var id = await inner.SendAsync(body, cancellationToken);
        Interlocked.Increment(ref _left);
        return id;
    }

    public async Task<QueuedMessage?> ReceiveAsync(TimeSpan visibility, TimeSpan wait, CancellationToken cancellationToken)
    {
        var message = await inner.ReceiveAsync(AtMost(visibility), AtMost(wait), cancellationToken);
        if (Forgets && message is not null)
        {
            await CompleteAsync(message, cancellationToken);
        }

        return message;
    }

    public async Task<bool> CompleteAsync(QueuedMessage message, CancellationToken cancellationToken)
    {
        var done = await inner.CompleteAsync(message, cancellationToken);
        if (done)
        {
            Interlocked.Decrement(ref _left);
        }

        return done;
    }

    public Task<bool> AbandonAsync(QueuedMessage message, TimeSpan delay, CancellationToken cancellationToken) => inner.AbandonAsync(message, AtMost(delay), cancellationToken);

    private TimeSpan AtMost(TimeSpan asked) => longest < asked ? longest.Value : asked;
}
