using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Queues;
using OzFunctions.Testing;

namespace OzFunctions.Files.InMemory;

public sealed class InMemoryBlobStoreTests : BlobStoreContract
{
    private readonly ManualTimeProvider _clock = new();

    protected override IBlobStore CreateStore() => new InMemoryBlobStore(_clock);

    protected override Task PassAsync(TimeSpan time)
    {
        _clock.Advance(time);
        return Task.CompletedTask;
    }
}

public sealed class InMemoryRequestQueueTests : RequestQueueContract
{
    private readonly ManualTimeProvider _clock = new();

    protected override IRequestQueue CreateQueue() => new InMemoryRequestQueue("oz-requests", _clock);

    protected override Task PassAsync(TimeSpan time)
    {
        _clock.Advance(time);
        return Task.CompletedTask;
    }

    [Fact(Timeout = 180_000)]
    public async Task A_wait_ends_when_its_time_is_over()
    {
        var receiving = CreateQueue().ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(20), Cancellation);
        await _clock.TimerArmedAsync(1, Cancellation);
        _clock.Advance(TimeSpan.FromSeconds(20));

        Assert.Null(await receiving);
    }
}

public sealed class InMemoryBellTests : BellContract
{
    protected override IBell CreateBell() => new InMemoryBell(TimeProvider.System);
}

public sealed class InMemoryHostLockTests : HostLockContract
{
    protected override IHostLock CreateLock() => new InMemoryHostLock(Clock);
}

public sealed class InMemoryEventPublisherTests : EventPublisherContract
{
    private readonly InMemoryEventPublisher _publisher = new("memory", TimeProvider.System);

    protected override IEventPublisher CreatePublisher() => _publisher;

    protected override Task<IReadOnlyList<string>> ReadAsync() =>
        Task.FromResult<IReadOnlyList<string>>([.. _publisher.Published.Select(published => Encoding.UTF8.GetString(published.Json.Span))]);
}
