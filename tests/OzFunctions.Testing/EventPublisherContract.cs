using System.Text;
using OzFunctions.Events;
using OzFunctions.Runs;

namespace OzFunctions.Testing;

/// <summary>What every <see cref="IEventPublisher"/> with a readable other end keeps to.</summary>
public abstract class EventPublisherContract
{
    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected abstract IEventPublisher CreatePublisher();

    /// <summary>What a reader finds at the other end now, in order.</summary>
    protected abstract Task<IReadOnlyList<string>> ReadAsync();

    [Fact(Timeout = 180_000)]
    public async Task A_published_event_is_read_as_it_was_rendered()
    {
        var publisher = CreatePublisher();
        var completed = Event("completed", 10);
        await publisher.PublishAsync(completed, Cancellation);

        Assert.Equal([Encoding.UTF8.GetString(completed.Json.Span)], await ReadAsync());
        Assert.NotEqual("", publisher.Name);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_repeat_is_the_same_event()
    {
        var publisher = CreatePublisher();
        var completed = Event("completed", 10);
        await publisher.PublishAsync(completed, Cancellation);
        await publisher.PublishAsync(completed, Cancellation);

        Assert.Single((await ReadAsync()).Distinct());
    }

    [Fact(Timeout = 180_000)]
    public async Task Different_events_are_all_there()
    {
        var publisher = CreatePublisher();
        for (var second = 0; second < 5; second++)
        {
            await publisher.PublishAsync(Event("started", second), Cancellation);
            await publisher.PublishAsync(Event("completed", second), Cancellation);
        }

        Assert.Equal(10, (await ReadAsync()).Distinct().Count());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_cancelled_call_publishes_nothing()
    {
        var publisher = CreatePublisher();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => publisher.PublishAsync(Event("completed", 1), cancelled.Token));
        Assert.Empty(await ReadAsync());
    }

    protected static RunEvent Event(string kind, int second)
    {
        var run = RunId.Create(TimeProvider.System);
        var id = $"{run}:1:{kind}";
        var json = $$"""{"specversion":"1.0","id":"{{id}}","time":"2026-03-04T05:06:{{second:d2}}.000Z","type":"io.ozfunctions.run.{{kind}}.v1"}""";
        return new(id, $"io.ozfunctions.run.{kind}.v1", run, Encoding.UTF8.GetBytes(json));
    }
}
