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
    private readonly ManualTimeProvider _clock = new();
    private readonly OpenedStore _opened;

    public FilesRequestQueueContractTests() => _opened = new(_clock);

    public void Dispose() => _opened.Dispose();

    protected override IRequestQueue CreateQueue() => new FilesRequestQueue(_opened.Store, "oz-requests");

    protected override Task PassAsync(TimeSpan time)
    {
        _clock.Advance(time);
        return Task.CompletedTask;
    }

    [Fact(Timeout = 180_000)]
    public async Task What_is_not_a_message_stays_where_it_is()
    {
        var queue = CreateQueue();
        var ready = Path.Join(_opened.Store.Directory, "queues/oz-requests/ready");
        foreach (var name in new[] { "README", "x.json", "0.1", "zz-zz.0", "-.0" })
        {
            File.WriteAllText(Path.Join(ready, name), "foreign");
        }

        var id = await queue.SendAsync(Bytes("body"), Cancellation);
        Assert.Equal(id, (await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation))!.MessageId);
        Assert.Null(await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation));
        Assert.Equal(5, Directory.GetFiles(ready).Length);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_receipt_cannot_point_outside_its_queue()
    {
        var queue = CreateQueue();
        var other = Path.Join(_opened.Store.Directory, "store.json");
        var forged = new QueuedMessage { MessageId = "x", Receipt = "../../../store.json", DeliveryCount = 1, Body = default };

        Assert.False(await queue.CompleteAsync(forged, Cancellation));
        Assert.False(await queue.AbandonAsync(forged, TimeSpan.Zero, Cancellation));
        Assert.True(File.Exists(other));
    }

    [Fact(Timeout = 180_000)]
    public async Task The_queue_is_there_again_after_a_restart()
    {
        var id = await CreateQueue().SendAsync(Bytes("body"), Cancellation);
        using var other = FilesStore.Open(new() { Directory = _opened.Store.Directory, Durability = Durability.Process }, _clock);
        var message = await new FilesRequestQueue(other, "oz-requests").ReceiveAsync(TimeSpan.FromHours(1), TimeSpan.Zero, Cancellation);
        Assert.Equal(id, message?.MessageId);

        // Closed without completing: it is back, and counted.
        other.Dispose();
        Assert.Equal(2, (await CreateQueue().ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation))?.DeliveryCount);
    }
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

    [Fact(Timeout = 180_000)]
    public async Task What_nobody_reads_for_a_week_is_dropped_by_the_next_process_that_publishes()
    {
        var (old, kept, fresh) = (Event("completed", 50), Event("completed", 2), Event("completed", 3));
        var publisher = CreatePublisher();
        await publisher.PublishAsync(old, Cancellation);
        await publisher.PublishAsync(kept, Cancellation);
        var file = Directory.GetFiles(Path.Join(_opened.Store.Directory, "queues", "oz-events", "ready")).Max(StringComparer.Ordinal)!;
        File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file) - FilesEventQueue.Kept - TimeSpan.FromMinutes(1));

        await CreatePublisher().PublishAsync(fresh, Cancellation);

        Assert.Equal([Encoding.UTF8.GetString(kept.Json.Span), Encoding.UTF8.GetString(fresh.Json.Span)], await ReadAsync());
    }

    [Fact(Timeout = 180_000)]
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
