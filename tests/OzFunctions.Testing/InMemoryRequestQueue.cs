using System.Globalization;
using OzFunctions.Queues;

namespace OzFunctions.Testing;

/// <summary>A faithful queue in memory: visibility, receipts that run out, delivery counts, by the given clock.</summary>
public sealed class InMemoryRequestQueue(string name, TimeProvider time) : IRequestQueue
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    private readonly Lock _lock = new();
    private readonly List<Message> _messages = [];
    private readonly Alarm _alarm = new(time);
    private int _ids;

    public string Name => name;

    public IRequestQueue? GivenUp { get; init; }

    /// <summary>How many messages there are, hidden ones too.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _messages.Count;
            }
        }
    }

    public Task<string> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        string id;
        lock (_lock)
        {
            id = (++_ids).ToString("d6", CultureInfo.InvariantCulture);
            _messages.Add(new Message(id, body.ToArray()) { VisibleAt = time.GetUtcNow() });
        }

        _alarm.Ring();
        return Task.FromResult(id);
    }

    public async Task<QueuedMessage?> ReceiveAsync(TimeSpan visibility, TimeSpan wait, CancellationToken cancellationToken)
    {
        var until = time.GetUtcNow() + wait;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var next = _alarm.Next;
            var (message, due) = Take(visibility);
            var left = until - time.GetUtcNow();
            if (message is not null || left <= TimeSpan.Zero)
            {
                return message;
            }

            await _alarm.WaitAsync(next, due < left ? due : left, cancellationToken);
        }
    }

    public Task<bool> CompleteAsync(QueuedMessage message, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            return Task.FromResult(_messages.RemoveAll(stored => stored.Id == message.MessageId && stored.Receipt == message.Receipt) == 1);
        }
    }

    public Task<bool> AbandonAsync(QueuedMessage message, TimeSpan delay, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            if (_messages.Find(stored => stored.Id == message.MessageId && stored.Receipt == message.Receipt) is not { } found)
            {
                return Task.FromResult(false);
            }

            found.Receipt = null;
            found.VisibleAt = time.GetUtcNow() + delay;
        }

        _alarm.Ring();
        return Task.FromResult(true);
    }

    private (QueuedMessage? Message, TimeSpan Due) Take(TimeSpan visibility)
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            if (_messages.Find(stored => stored.VisibleAt <= now) is not { } found)
            {
                return (null, _messages.Count == 0 ? Longest : _messages.Min(stored => stored.VisibleAt) - now);
            }

            found.Deliveries++;
            found.VisibleAt = now + visibility;
            found.Receipt = $"{found.Id}.{found.Deliveries}";
            var message = new QueuedMessage { MessageId = found.Id, Receipt = found.Receipt, DeliveryCount = found.Deliveries, Body = found.Body };
            return (message, TimeSpan.Zero);
        }
    }

    private sealed class Message(string id, byte[] body)
    {
        public string Id => id;

        public byte[] Body => body;

        public string? Receipt { get; set; }

        public int Deliveries { get; set; }

        public DateTimeOffset VisibleAt { get; set; }
    }
}
