using System.Security.Cryptography;
using System.Text;
using Azure.Core;
using OzFunctions.Blobs;
using OzFunctions.Queues;
using OzFunctions.Runs;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.AzureStorage.Tests;

/// <summary>A write that was done and whose answer was lost is repeated by the call, refused, and recognised as our own (docs/protocol.md, lost answers).</summary>
public sealed class LostAnswerTests(SharedAzurite azurite) : IAsyncLifetime
{
    private readonly Interference _between = new();
    private string _connection = "";
    private StorageAccount _account = null!;
    private StorageAccount _undisturbed = null!;
    private AzureBlobStore _store = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _connection = (await azurite.GetAsync()).TakeAccount();
        _account = StorageAccount.Open(_connection, new() { Between = _between, RetryAfter = TimeSpan.FromMilliseconds(5) }, TimeProvider.System);
        _undisturbed = StorageAccount.Open(_connection, new(), TimeProvider.System);
        _store = new(_account);
        await new AzureBlobStore(_undisturbed).PutAsync("made", default, Cancellation);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact(Timeout = 180_000)]
    public async Task A_create_is_known_as_my_own()
    {
        _between.SwallowNext(IsPut);

        var etag = await _store.TryCreateAsync("keys/k.json", Bytes("mine"), null, Cancellation);

        Assert.NotNull(etag);
        var there = await _store.FindAsync("keys/k.json", Cancellation);
        Assert.Equal((etag.Value, "mine"), (there!.ETag, Text(there)));
        Assert.Null(there.Metadata);
        Assert.Equal(2, _between.Seen.Count(request => request.StartsWith("PUT", StringComparison.Ordinal)));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_create_of_the_same_bytes_by_another_is_not_mine()
    {
        await new AzureBlobStore(_undisturbed).TryCreateAsync("keys/k.json", Bytes("same"), null, Cancellation);
        _between.BeBusy(1);

        Assert.Null(await _store.TryCreateAsync("keys/k.json", Bytes("same"), null, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_replacement_is_known_as_my_own()
    {
        var first = await _store.TryCreateAsync("hosts/h.json", Bytes("1"), null, Cancellation);
        _between.SwallowNext(IsPut);

        var second = await _store.TryReplaceAsync("hosts/h.json", Bytes("2"), new Dictionary<string, string> { ["state"] = "CLAIMED" }, first!.Value, Cancellation);

        var there = await _store.FindAsync("hosts/h.json", Cancellation);
        Assert.Equal((second, "2", "CLAIMED"), (there!.ETag, Text(there), there.Metadata!["state"]));
        Assert.NotNull(await _store.TryReplaceAsync("hosts/h.json", Bytes("3"), null, second!.Value, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_replacement_that_lost_to_another_is_refused_also_after_a_lost_try()
    {
        var first = await _store.TryCreateAsync("hosts/h.json", Bytes("1"), null, Cancellation);
        await new AzureBlobStore(_undisturbed).TryReplaceAsync("hosts/h.json", Bytes("2"), null, first!.Value, Cancellation);
        _between.BeBusy(2);

        Assert.Null(await _store.TryReplaceAsync("hosts/h.json", Bytes("2"), null, first.Value, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task An_append_is_neither_doubled_nor_refused()
    {
        _between.SwallowNext(request => request.Uri.Query.Contains("comp=appendblock", StringComparison.Ordinal));
        Assert.True(await _store.TryAppendAsync("log", 0, Bytes("one\n"), Cancellation));
        _between.SwallowNext(request => request.Uri.Query.Contains("comp=appendblock", StringComparison.Ordinal));
        Assert.True(await _store.TryAppendAsync("log", 4, Bytes("two\n"), Cancellation));

        Assert.Equal("one\ntwo\n", Text((await _store.FindAsync("log", Cancellation))!));
        _between.BeBusy(1);
        Assert.False(await _store.TryAppendAsync("log", 4, Bytes("three\n"), Cancellation));
        _between.BeBusy(1);
        Assert.False(await _store.TryAppendAsync("log", 40, Bytes("three\n"), Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task The_creation_of_a_log_may_lose_its_answer_too()
    {
        _between.SwallowNext(IsPut);

        Assert.True(await _store.TryAppendAsync("log", 0, Bytes("one\n"), Cancellation));
        Assert.Equal("one\n", Text((await _store.FindAsync("log", Cancellation))!));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_delete_was_done_and_one_of_another_version_was_not()
    {
        var etag = await _store.PutAsync("active/r", default, Cancellation);
        _between.SwallowNext(request => request.Method == RequestMethod.Delete);
        Assert.True(await _store.TryDeleteAsync("active/r", etag, Cancellation));

        etag = await _store.PutAsync("active/r", default, Cancellation);
        await _store.PutAsync("active/r", default, Cancellation);
        _between.BeBusy(1);
        Assert.False(await _store.TryDeleteAsync("active/r", etag, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task An_upload_in_blocks_arrives_whole_whatever_answers_are_lost()
    {
        var content = RandomNumberGenerator.GetBytes(BlobUpload.BlockBytes * 3 + 12_345);
        _between.SwallowNext(IsPut, times: 4);

        var written = await _store.UploadAsync("data/r/1/artifacts/big.bin", new MemoryStream(content), "application/x-test", null, Cancellation);

        Assert.Equal(content.Length, written.Length);
        await using var stored = await _store.OpenReadAsync(written.Name, 0, null, Cancellation);
        Assert.Equal(SHA256.HashData(content), await SHA256.HashDataAsync(stored!, Cancellation));
        Assert.Equal(written.ETag, (await _store.FindEntryAsync(written.Name, Cancellation))!.ETag);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_upload_reads_no_further_ahead_of_the_service_than_its_memory_allows()
    {
        var content = new MemoryStream(new byte[40 << 20]);
        var (held, release) = _between.HoldBack(request => request.Uri.Query.Contains("comp=block&", StringComparison.Ordinal), held: 4);

        var uploading = _store.UploadAsync("data/r/1/artifacts/big.bin", content, "application/x-test", null, Cancellation);
        await held;
        var read = content.Position;
        release.SetResult();

        Assert.Equal(content.Length, (await uploading).Length);
        Assert.InRange(read, 1, 20 << 20);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_upload_reads_the_next_block_while_all_that_may_be_under_way_are()
    {
        var content = new ReadNoted(40 << 20, BlobUpload.BlockBytes * 5);
        var (held, release) = _between.HoldBack(request => request.Uri.Query.Contains("comp=block&", StringComparison.Ordinal), held: 4);

        var uploading = _store.UploadAsync("data/r/1/artifacts/big.bin", content, "application/x-test", null, Cancellation);
        await held;
        await content.Reached.WaitAsync(Cancellation);
        Assert.Equal(BlobUpload.BlockBytes * 5, content.Position);
        release.SetResult();

        Assert.Equal(content.Length, (await uploading).Length);
    }

    [Fact(Timeout = 180_000)]
    public async Task Blocks_and_appends_that_a_slow_line_takes_long_for_are_not_cut_off_and_begun_anew()
    {
        var clock = new OzFunctions.Testing.ManualTimeProvider();
        var store = new AzureBlobStore(StorageAccount.Open(_connection, new() { Between = _between }, clock));
        var content = new byte[(BlobUpload.MostAtOnce * BlobUpload.BlockBytes) + 1];
        var (held, release) = _between.HoldBack(request => request.Uri.Query.Contains("comp=block&", StringComparison.Ordinal), held: BlobUpload.MostAtOnce);
        var uploading = store.UploadAsync("data/r/1/artifacts/big.bin", new MemoryStream(content), "application/x-test", null, Cancellation);
        await held;
        clock.Advance(TimeSpan.FromMinutes(8));
        release.SetResult();
        Assert.Equal(content.Length, (await uploading).Length);

        (held, release) = _between.HoldBack(request => request.Uri.Query.Contains("comp=appendblock", StringComparison.Ordinal), held: 1);
        var appending = store.TryAppendAsync("log", 0, content.AsMemory(0, 1 << 20), Cancellation);
        await held;
        clock.Advance(TimeSpan.FromSeconds(40));
        release.SetResult();
        Assert.True(await appending);
    }

    [Fact(Timeout = 180_000)]
    public async Task Each_part_of_an_upload_goes_with_its_hash_which_the_service_checks()
    {
        var content = RandomNumberGenerator.GetBytes(BlobUpload.BlockBytes + 12_345);
        var sent = new System.Collections.Concurrent.ConcurrentBag<string?>();
        var (_, release) = _between.HoldBack(
            request =>
            {
                if (request.Uri.Path.Contains("artifacts", StringComparison.Ordinal) && !request.Uri.Query.Contains("comp=blocklist", StringComparison.Ordinal))
                {
                    sent.Add(request.Headers.TryGetValue("Content-MD5", out var hash) ? hash : null);
                }

                return false;
            },
            held: 1);

        await _store.UploadAsync("data/r/1/artifacts/big.bin", new MemoryStream(content), "application/x-test", null, Cancellation);
        await _store.UploadAsync("data/r/1/artifacts/small.bin", new MemoryStream(content, 0, 5), "application/x-test", null, Cancellation);
        release.SetResult();

        byte[][] parts = [content[..BlobUpload.BlockBytes], content[BlobUpload.BlockBytes..], content[..5]];
        Assert.Equal(parts.Select(part => Convert.ToBase64String(MD5.HashData(part))).Order(), sent.Order());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_request_whose_sending_was_not_answered_starts_one_run()
    {
        var core = new OzCore(
            new() { StoreId = _undisturbed.StoreId, Blobs = new AzureBlobStore(_undisturbed), Bell = new AzureBell(_undisturbed), HostLock = new Hosts.NoHostLock(), Publishers = [], Time = TimeProvider.System },
            new(),
            Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance);
        var queue = new AzureRequestQueue(_account, StorageNames.Requests);
        _between.SwallowNext(request => request.Method == RequestMethod.Post);

        await queue.SendRequestAsync(Bytes("""{"prompt":"x"}"""), Cancellation);

        var consumer = core.CreateConsumer(new AzureRequestQueue(_undisturbed, StorageNames.Requests));
        Assert.True(await consumer.ConsumeOneAsync(TimeSpan.Zero, Cancellation));
        Assert.True(await consumer.ConsumeOneAsync(TimeSpan.Zero, Cancellation), "the message was not doubled: this test shows nothing");
        var run = Assert.Single((await core.Records.ListAsync(null, 10, null, Cancellation)).Runs);
        Assert.Equal("x", (await core.Records.FindAsync(run.RunId, Cancellation))!.Record.Request.Prompt);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_ring_that_the_service_does_not_answer_is_heard_near_and_holds_nobody_up()
    {
        var bell = new AzureBell(_account);
        await using var listener = bell.Listen("w");
        var (held, release) = _between.HoldBack(request => request.Method == RequestMethod.Post, held: 1);

        var ringing = bell.RingAsync("w", RunId.Create(TimeProvider.System), Cancellation);
        await held;
        Assert.True(await listener.WaitAsync(TimeSpan.Zero, Cancellation));
        await ringing;

        Assert.False(release.Task.IsCompleted);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_message_is_completed_or_given_back_once()
    {
        var queue = new AzureRequestQueue(_account, StorageNames.Requests);
        await queue.SendAsync(Bytes("{}"), Cancellation);
        var message = await ReceiveAsync(queue);

        _between.SwallowNext(IsPut);
        Assert.True(await queue.AbandonAsync(message!, TimeSpan.Zero, Cancellation));
        message = await ReceiveAsync(queue);
        Assert.Equal(2, message!.DeliveryCount);

        _between.SwallowNext(request => request.Method == RequestMethod.Delete);
        Assert.True(await queue.CompleteAsync(message, Cancellation));
        Assert.Null(await ReceiveAsync(queue));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_failed_condition_is_not_repeated_and_a_busy_service_is()
    {
        await _store.TryCreateAsync("a", Bytes("1"), null, Cancellation);
        var before = _between.Seen.Count;
        Assert.Null(await _store.TryCreateAsync("a", Bytes("2"), null, Cancellation));
        Assert.Equal(before + 1, _between.Seen.Count);

        _between.BeBusy(3);
        Assert.Equal("1", Text((await _store.FindAsync("a", Cancellation))!));
        Assert.Equal(before + 1 + 4, _between.Seen.Count);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_service_that_stays_busy_is_an_outage_after_a_bounded_number_of_tries()
    {
        _between.BeBusy(int.MaxValue);

        var outage = await Assert.ThrowsAsync<BlobStoreException>(() => _store.FindAsync("a", Cancellation));

        Assert.True(outage.IsTransient);
        Assert.Contains("503 ServerBusy", outage.Message, StringComparison.Ordinal);
        Assert.Equal(5, _between.Seen.Count);
    }

    private static bool IsPut(Request request) => request.Method == RequestMethod.Put;

    private static Task<QueuedMessage?> ReceiveAsync(AzureRequestQueue queue) => queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation);

    private static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(Blob blob) => Encoding.UTF8.GetString(blob.Content.Span);

    /// <summary>Zeros, and word when so many were read.</summary>
    private sealed class ReadNoted(int length, int mark) : MemoryStream(new byte[length])
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Reached => _reached.Task;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await base.ReadAsync(buffer, cancellationToken);
            if (Position >= mark)
            {
                _reached.TrySetResult();
            }

            return count;
        }
    }
}
