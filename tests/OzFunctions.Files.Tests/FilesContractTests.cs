using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Queues;
using OzFunctions.Testing;

namespace OzFunctions.Files;

/// <summary>A store in a directory of the test's own.</summary>
internal sealed class OpenedStore : IDisposable
{
    private readonly TempDirectory _directory = new();

    public OpenedStore(TimeProvider? time = null, bool useWatches = true) =>
        Store = FilesStore.Open(new() { Directory = _directory["data"], UseWatches = useWatches, Durability = Durability.Process }, time ?? TimeProvider.System);

    public FilesStore Store { get; }

    public void Dispose()
    {
        Store.Dispose();
        _directory.Dispose();
    }
}

public sealed class FilesBlobStoreContractTests : BlobStoreContract, IDisposable
{
    private readonly ManualTimeProvider _clock = new();
    private readonly OpenedStore _opened;

    public FilesBlobStoreContractTests() => _opened = new(_clock);

    public void Dispose() => _opened.Dispose();

    protected override IBlobStore CreateStore() => new FilesBlobStore(_opened.Store);

    protected override Task PassAsync(TimeSpan time)
    {
        _clock.Advance(time);
        return Task.CompletedTask;
    }
}

public sealed class PowerSafeBlobStoreContractTests : BlobStoreContract, IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly FilesStore _store;

    public PowerSafeBlobStoreContractTests() => _store = FilesStore.Open(new() { Directory = _directory["data"] }, TimeProvider.System);

    public void Dispose()
    {
        _store.Dispose();
        _directory.Dispose();
    }

    protected override IBlobStore CreateStore() => new FilesBlobStore(_store);
}

public sealed class FilesRequestQueueContractTests : RequestQueueContract, IDisposable
{
    private readonly OpenedStore _opened = new();

    public void Dispose() => _opened.Dispose();

    protected override IRequestQueue CreateQueue() => new FilesRequestQueue(_opened.Store, "oz-requests");
}

public sealed class FilesBellContractTests : BellContract, IDisposable
{
    private readonly OpenedStore _opened = new();

    public void Dispose() => _opened.Dispose();

    protected override IBell CreateBell() => new FilesBell(_opened.Store);
}

public sealed class PolledBellContractTests : BellContract, IDisposable
{
    private readonly OpenedStore _opened = new(useWatches: false);

    public void Dispose() => _opened.Dispose();

    protected override IBell CreateBell() => new FilesBell(_opened.Store);
}

public sealed class FilesHostLockContractTests : HostLockContract, IDisposable
{
    private readonly OpenedStore _opened;

    public FilesHostLockContractTests() => _opened = new(Clock);

    public void Dispose() => _opened.Dispose();

    protected override IHostLock CreateLock() => new FilesHostLock(_opened.Store);
}

public sealed class FilesEventQueueContractTests : EventPublisherContract, IDisposable
{
    private readonly OpenedStore _opened = new();

    public void Dispose() => _opened.Dispose();

    protected override IEventPublisher CreatePublisher() => new FilesEventQueue(_opened.Store);

    protected override async Task<IReadOnlyList<string>> ReadAsync()
    {
        var queue = new FilesRequestQueue(_opened.Store, FilesEventQueue.QueueName);
        var read = new List<string>();
        while (await queue.ReceiveAsync(TimeSpan.FromMinutes(5), TimeSpan.Zero, Cancellation) is { } message)
        {
            read.Add(Encoding.UTF8.GetString(message.Body.Span));
        }

        return read;
    }

    [Fact(Timeout = 60_000)]
    public async Task A_repeat_of_an_event_that_waits_replaces_it()
    {
        var publisher = CreatePublisher();
        var (late, early) = (Event("completed", 50), Event("completed", 2));
        await publisher.PublishAsync(late, Cancellation);
        await publisher.PublishAsync(early, Cancellation);
        await publisher.PublishAsync(late, Cancellation);

        Assert.Equal([Encoding.UTF8.GetString(early.Json.Span), Encoding.UTF8.GetString(late.Json.Span)], await ReadAsync());
    }
}
