using OzFunctions.Events;

namespace OzFunctions.Testing;

/// <summary>Keeps what was published; a repeat of an event replaces itself, as its readers know it by id.</summary>
public sealed class InMemoryEventPublisher(string name, TimeProvider time) : IEventPublisher
{
    private readonly Lock _lock = new();
    private readonly List<RunEvent> _attempts = [];
    private readonly OrderedDictionary<string, RunEvent> _published = new(StringComparer.Ordinal);
    private readonly Alarm _alarm = new(time);

    public string Name => name;

    /// <summary>What the next calls throw instead of publishing; null: they publish.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Every call, failed ones and repeats too.</summary>
    public IReadOnlyList<RunEvent> Attempts
    {
        get
        {
            lock (_lock)
            {
                return [.. _attempts];
            }
        }
    }

    /// <summary>Distinct events, in the order they came first.</summary>
    public IReadOnlyList<RunEvent> Published
    {
        get
        {
            lock (_lock)
            {
                return [.. _published.Values];
            }
        }
    }

    public Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var failure = Failure;
        lock (_lock)
        {
            _attempts.Add(runEvent);
            if (failure is null)
            {
                _published[runEvent.Id] = runEvent;
            }
        }

        _alarm.Ring();
        return failure is null ? Task.CompletedTask : Task.FromException(failure);
    }

    /// <summary>Waits until so many distinct events were published.</summary>
    public async Task<IReadOnlyList<RunEvent>> PublishedAsync(int count, CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = _alarm.Next;
            if (Published is var published && published.Count >= count)
            {
                return published;
            }

            await next.WaitAsync(cancellationToken);
        }
    }
}
