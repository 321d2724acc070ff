using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Queues;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

[assembly: AssemblyFixture(typeof(SharedAzurite))]

namespace OzFunctions.AzureStorage.Tests;

public sealed class AzureBlobStoreContractTests(SharedAzurite azurite) : BlobStoreContract, IAsyncLifetime
{
    private StorageAccount _account = null!;

    public async ValueTask InitializeAsync() => _account = await azurite.OpenAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    protected override IBlobStore CreateStore() => new AzureBlobStore(_account);
}

public sealed class AzureRequestQueueContractTests(SharedAzurite azurite) : RequestQueueContract, IAsyncLifetime
{
    private StorageAccount _account = null!;

    public async ValueTask InitializeAsync() => _account = await azurite.OpenAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    protected override IRequestQueue CreateQueue() => new AzureRequestQueue(_account, StorageNames.Requests);
}

public sealed class AzureBellContractTests(SharedAzurite azurite) : BellContract, IAsyncLifetime
{
    private string _connection = "";

    public async ValueTask InitializeAsync() => _connection = (await azurite.GetAsync()).TakeAccount();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    protected override IBell CreateBell() => CreatePatient();

    /// <summary>Whose time stands still, so that no ring is given up that the emulator is slow to take, and whose rings outlast every test.</summary>
    private AzureBell CreatePatient(TimeProvider? time = null) => new(StorageAccount.Open(_connection, new(), time ?? new ManualTimeProvider()), lasts: TimeSpan.FromHours(1));

    [Fact(Timeout = 180_000)]
    public async Task A_ring_of_another_process_is_heard_by_every_listener()
    {
        var (near, far) = (new AzureBell(StorageAccount.Open(_connection, new(), TimeProvider.System)), CreatePatient());
        await using var first = near.Listen("local");
        await using var second = near.Listen("local");
        var (one, other) = (first.WaitAsync(TimeSpan.FromSeconds(50), Cancellation), second.WaitAsync(TimeSpan.FromSeconds(50), Cancellation));

        await far.RingAsync("local", Run, Cancellation);

        Assert.True(await one);
        Assert.True(await other);
        Assert.Equal((Run, Run), (first.LastRun, second.LastRun));
    }

    /// <summary>One look shows 32 messages.</summary>
    [Fact(Timeout = 180_000)]
    public async Task Rings_that_others_hide_are_heard_all_the_same_four_times_a_second()
    {
        var time = new ManualTimeProvider();
        var near = new AzureBell(StorageAccount.Open(_connection, new(), time));
        var far = CreatePatient();
        await using var listener = near.Listen("local");
        await Task.WhenAll(Enumerable.Range(0, 33).Select(_ => far.RingAsync("local", Run, Cancellation)));
        Assert.True(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        Assert.False(await listener.WaitAsync(TimeSpan.Zero, Cancellation));

        // Each look would list what waits, twenty times a second at every host of the worker.
        for (var passed = PollPace.Fast; passed < TimeSpan.FromMilliseconds(250); passed += PollPace.Fast)
        {
            time.Advance(PollPace.Fast);
            Assert.False(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        }

        time.Advance(PollPace.Fast);
        Assert.True(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        Assert.Null(listener.LastRun);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_ring_is_heard_once()
    {
        var time = new ManualTimeProvider();
        var (near, far) = (CreatePatient(time), CreatePatient());
        await using var listener = near.Listen("local");
        await far.RingAsync("local", Run, Cancellation);
        Assert.True(await listener.WaitAsync(TimeSpan.FromSeconds(50), Cancellation));
        await near.RingAsync("local", Run, Cancellation);
        Assert.True(await listener.WaitAsync(TimeSpan.FromSeconds(50), Cancellation));

        // Both lie in the queue for whoever looks.
        time.Advance(PollPace.Fast);
        Assert.False(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        Assert.Equal(Run, listener.LastRun);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_service_that_holds_a_ring_up_is_not_sent_another_for_a_minute_and_near_listeners_hear_all()
    {
        var (between, time) = (new Interference(), new ManualTimeProvider());
        await CreatePatient().RingAsync("local", Run, Cancellation);
        var bell = new AzureBell(StorageAccount.Open(_connection, new() { Between = between }, time), lasts: TimeSpan.FromHours(1));
        await using var listener = bell.Listen("local");
        var (held, release) = between.HoldBack(IsRing, held: 1);
        var ringing = bell.RingAsync("local", Run, Cancellation);
        await held;
        time.Advance(TimeSpan.FromSeconds(2));
        await ringing;
        release.TrySetResult();
        Assert.True(await listener.WaitAsync(TimeSpan.Zero, Cancellation));

        for (var ring = 0; ring < 3; ring++)
        {
            await bell.RingAsync("local", Run, Cancellation);
            Assert.True(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        }

        Assert.Single(between.Seen, IsPost);
        time.Advance(TimeSpan.FromMinutes(1));
        await bell.RingAsync("local", Run, Cancellation);
        await bell.RingAsync("local", Run, Cancellation);
        Assert.Equal(3, between.Seen.Count(IsPost));

        static bool IsRing(Azure.Core.Request request) => request.Method == Azure.Core.RequestMethod.Post;
        static bool IsPost(string request) => request.StartsWith("POST", StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_service_that_holds_a_look_up_keeps_no_near_ring_waiting_and_is_not_asked_twice()
    {
        var (between, time) = (new Interference(), new ManualTimeProvider());
        var bell = new AzureBell(StorageAccount.Open(_connection, new() { Between = between }, time), lasts: TimeSpan.FromHours(1));
        await using var listener = bell.Listen("local");
        var (held, release) = between.HoldBack(IsLook, held: 1);
        var waiting = listener.WaitAsync(TimeSpan.FromSeconds(50), Cancellation);
        await held;

        await bell.RingAsync("local", Run, Cancellation);
        Assert.True(await waiting);
        for (var ring = 0; ring < 3; ring++)
        {
            time.Advance(PollPace.Fast);
            await bell.RingAsync("local", Run, Cancellation);
            Assert.True(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        }

        Assert.Single(between.Seen, IsPeek);

        // What the look finds at last is heard too.
        await CreatePatient().RingAsync("local", Run, Cancellation);
        release.TrySetResult();
        Assert.True(await listener.WaitAsync(TimeSpan.FromSeconds(50), Cancellation));
        Assert.Single(between.Seen, IsPeek);
    }

    [Fact(Timeout = 180_000)]
    public async Task What_a_look_failed_of_during_a_near_ring_is_said_by_the_next_wait_and_rings_are_heard_on()
    {
        var (between, time) = (new Interference(), new ManualTimeProvider());
        var bell = new AzureBell(StorageAccount.Open(_connection, new() { Between = between }, time), lasts: TimeSpan.FromHours(1));
        await using var listener = bell.Listen("local");
        var (held, release) = between.HoldBack(IsLook, held: 1);
        var waiting = listener.WaitAsync(TimeSpan.FromSeconds(50), Cancellation);
        await held;
        await bell.RingAsync("local", Run, Cancellation);
        Assert.True(await waiting);

        release.TrySetException(new Azure.RequestFailedException(403, "refused", "AuthorizationFailure", null));
        await Assert.ThrowsAsync<BlobStoreException>(() => listener.WaitAsync(TimeSpan.FromSeconds(50), Cancellation));
        await bell.RingAsync("local", Run, Cancellation);

        Assert.True(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task The_look_after_a_ring_is_due_a_pace_later()
    {
        var (between, time) = (new Interference(), new ManualTimeProvider());
        var near = new AzureBell(StorageAccount.Open(_connection, new() { Between = between }, time));
        await using var listener = near.Listen("local");
        await CreatePatient().RingAsync("local", Run, Cancellation);
        Assert.True(await listener.WaitAsync(TimeSpan.Zero, Cancellation));

        Assert.False(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        time.Advance(TimeSpan.FromMilliseconds(47));
        Assert.False(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        Assert.Single(between.Seen, IsPeek);

        // A timer may end early; a look that is due but for a moment would wait a fifth of the pace longer.
        time.Advance(TimeSpan.FromMilliseconds(2));
        Assert.False(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        Assert.Equal(2, between.Seen.Count(IsPeek));
    }

    private static bool IsLook(Azure.Core.Request request) => request.Method == Azure.Core.RequestMethod.Get;

    private static bool IsPeek(string request) => request.StartsWith("GET", StringComparison.Ordinal) && request.Contains("/messages?", StringComparison.Ordinal);
}

public sealed class AzureEventQueueContractTests(SharedAzurite azurite) : EventPublisherContract, IAsyncLifetime
{
    private StorageAccount _account = null!;

    public async ValueTask InitializeAsync() => _account = await azurite.OpenAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    protected override IEventPublisher CreatePublisher() => new AzureEventQueue(_account);

    protected override async Task<IReadOnlyList<string>> ReadAsync()
    {
        var queue = new AzureRequestQueue(_account, StorageNames.Events);
        var read = new List<string>();
        while (await queue.ReceiveAsync(TimeSpan.FromMinutes(5), TimeSpan.Zero, Cancellation) is { } message)
        {
            read.Add(System.Text.Encoding.UTF8.GetString(message.Body.Span));
        }

        return read;
    }
}

internal static class SharedAzuriteExtensions
{
    /// <summary>An account that no other test has.</summary>
    public static async Task<StorageAccount> OpenAsync(this SharedAzurite azurite, StorageAccountOptions? options = null) =>
        StorageAccount.Open((await azurite.GetAsync()).TakeAccount(), options ?? new(), TimeProvider.System);
}
