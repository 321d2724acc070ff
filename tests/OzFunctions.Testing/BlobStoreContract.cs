using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using OzFunctions.Blobs;

namespace OzFunctions.Testing;

/// <summary>What every <see cref="IBlobStore"/> keeps to; an implementation is three lines below it.</summary>
public abstract class BlobStoreContract
{
    private static readonly Dictionary<string, string> Facts = new() { ["state"] = "QUEUED", ["title"] = "na%C3%AFve" };

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected abstract IBlobStore CreateStore();

    /// <summary>Lets time pass on the store's clock.</summary>
    protected virtual Task PassAsync(TimeSpan time) => Task.Delay(time, TimeProvider.System, Cancellation);

    [Fact(Timeout = 180_000)]
    public async Task A_created_blob_is_read_back_whole()
    {
        var store = CreateStore();
        var etag = await store.TryCreateAsync("runs/1/a.json", "{}\n"u8.ToArray(), Facts, Cancellation);

        Assert.NotNull(etag);
        var blob = await store.FindAsync("runs/1/a.json", Cancellation);
        Assert.NotNull(blob);
        Assert.Equal("{}\n", Text(blob));
        Assert.Equal(("runs/1/a.json", etag, 3L), (blob.Name, blob.ETag, blob.Length));
        Assert.Equal(Facts, blob.Metadata);
        Assert.InRange(blob.Age, TimeSpan.Zero, TimeSpan.FromMinutes(1));

        var entry = await store.FindEntryAsync("runs/1/a.json", Cancellation);
        Assert.NotNull(entry);
        Assert.Equal((blob.Name, blob.ETag, blob.Length), (entry.Name, entry.ETag, entry.Length));
        Assert.Equal(Facts, entry.Metadata);
    }

    [Fact(Timeout = 180_000)]
    public async Task What_is_absent_is_null()
    {
        var store = CreateStore();

        Assert.Null(await store.FindAsync("a/b", Cancellation));
        Assert.Null(await store.FindEntryAsync("a/b", Cancellation));
        Assert.Null(await store.OpenReadAsync("a/b", 0, null, Cancellation));
        Assert.Equal(new BlobChange(true, null), await store.FindChangeAsync("a/b", new("x"), Cancellation));
        Assert.Null(await store.TryReplaceAsync("a/b", Bytes("1"), null, new("x"), Cancellation));
        Assert.True(await store.TryDeleteAsync("a/b", null, Cancellation));
        Assert.True(await store.TryDeleteAsync("a/b", new ETag("x"), Cancellation));
        Assert.Empty((await store.ListAsync("a/", null, 10, Cancellation)).Entries);
        Assert.Empty((await store.ListAsync("", null, 10, Cancellation)).Entries);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_blob_is_created_only_once()
    {
        var store = CreateStore();

        Assert.NotNull(await store.TryCreateAsync("keys/k", Bytes("first"), null, Cancellation));
        Assert.Null(await store.TryCreateAsync("keys/k", Bytes("second"), Facts, Cancellation));
        var blob = await store.FindAsync("keys/k", Cancellation);
        Assert.Equal("first", Text(blob));
        Assert.Null(blob!.Metadata);
    }

    [Fact(Timeout = 180_000)]
    public async Task Only_the_version_that_was_read_is_replaced()
    {
        var store = CreateStore();
        var first = await store.TryCreateAsync("a/b", Bytes("1"), Facts, Cancellation);
        var second = await store.TryReplaceAsync("a/b", Bytes("2"), null, first!.Value, Cancellation);

        Assert.NotNull(second);
        Assert.NotEqual(first, second);
        Assert.Null(await store.TryReplaceAsync("a/b", Bytes("3"), Facts, first.Value, Cancellation));
        var blob = await store.FindAsync("a/b", Cancellation);
        Assert.Equal("2", Text(blob));
        Assert.Equal(second, blob!.ETag);
        Assert.Null(blob.Metadata);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_replaced_blob_has_its_new_metadata()
    {
        var store = CreateStore();
        var first = await store.TryCreateAsync("a/b", Bytes("same"), Facts, Cancellation);
        await store.TryReplaceAsync("a/b", Bytes("same"), new Dictionary<string, string> { ["state"] = "CLAIMED" }, first!.Value, Cancellation);

        Assert.Equal("CLAIMED", (await store.FindEntryAsync("a/b", Cancellation))!.Metadata!["state"]);
    }

    [Fact(Timeout = 180_000)]
    public async Task Every_write_of_the_same_content_is_a_new_version()
    {
        var store = CreateStore();
        var seen = new HashSet<ETag>();
        for (var round = 0; round < 20; round++)
        {
            Assert.True(seen.Add(await store.PutAsync("active/empty", default, Cancellation)));
            Assert.True(seen.Add(await store.PutAsync("active/full", Bytes("same"), Cancellation)));
        }

        for (var round = 0; round < 20; round++)
        {
            Assert.True(await store.TryDeleteAsync("active/empty", null, Cancellation));
            var etag = await store.TryCreateAsync("active/empty", default, null, Cancellation);
            Assert.True(seen.Add(etag!.Value));
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task A_put_replaces_what_is_there_and_is_young_again()
    {
        var store = CreateStore();
        await store.PutAsync("active/r", default, Cancellation);
        await PassAsync(TimeSpan.FromSeconds(2.5));
        var before = await store.FindEntryAsync("active/r", Cancellation);
        var began = TimeProvider.System.GetTimestamp();
        var etag = await store.PutAsync("active/r", default, Cancellation);
        var after = await store.FindEntryAsync("active/r", Cancellation);

        // As old as it may be since it was written again, on a machine however slow; a service counts in whole seconds.
        var atMost = TimeProvider.System.GetElapsedTime(began) + TimeSpan.FromSeconds(1);
        Assert.True(before!.Age >= TimeSpan.FromSeconds(1.5), $"{before.Age}");
        Assert.True(after!.Age <= atMost, $"{after.Age} of at most {atMost}, {before.Age} before");
        Assert.Equal(etag, after.ETag);

        await store.PutAsync("active/r", Bytes("longer"), Cancellation);
        Assert.Equal("longer", Text(await store.FindAsync("active/r", Cancellation)));
        await store.PutAsync("active/r", default, Cancellation);
        Assert.Equal("", Text(await store.FindAsync("active/r", Cancellation)));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_conditional_read_answers_only_a_change()
    {
        var store = CreateStore();
        var first = await store.TryCreateAsync("signals/h.json", Bytes("1"), null, Cancellation);

        Assert.Equal(BlobChange.None, await store.FindChangeAsync("signals/h.json", first!.Value, Cancellation));
        var second = await store.TryReplaceAsync("signals/h.json", Bytes("2"), null, first.Value, Cancellation);
        var change = await store.FindChangeAsync("signals/h.json", first.Value, Cancellation);
        Assert.True(change.Changed);
        Assert.Equal(("2", second), (Text(change.Blob), change.Blob!.ETag));
        await store.TryDeleteAsync("signals/h.json", null, Cancellation);
        Assert.Equal(new BlobChange(true, null), await store.FindChangeAsync("signals/h.json", second!.Value, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task Only_the_expected_version_is_deleted()
    {
        var store = CreateStore();
        var first = await store.PutAsync("active/r", default, Cancellation);
        var second = await store.PutAsync("active/r", default, Cancellation);

        Assert.False(await store.TryDeleteAsync("active/r", first, Cancellation));
        Assert.NotNull(await store.FindEntryAsync("active/r", Cancellation));
        Assert.True(await store.TryDeleteAsync("active/r", second, Cancellation));
        Assert.Null(await store.FindEntryAsync("active/r", Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task Appends_go_through_at_the_expected_length_only()
    {
        var store = CreateStore();

        Assert.False(await store.TryAppendAsync("data/r/1/log.ndjson", 4, Bytes("one\n"), Cancellation));
        Assert.True(await store.TryAppendAsync("data/r/1/log.ndjson", 0, Bytes("one\n"), Cancellation));
        Assert.False(await store.TryAppendAsync("data/r/1/log.ndjson", 0, Bytes("again\n"), Cancellation));
        Assert.False(await store.TryAppendAsync("data/r/1/log.ndjson", 3, Bytes("again\n"), Cancellation));
        var before = await store.FindEntryAsync("data/r/1/log.ndjson", Cancellation);
        Assert.True(await store.TryAppendAsync("data/r/1/log.ndjson", 4, Bytes("two\n"), Cancellation));
        await store.FlushAsync("data/r/1/log.ndjson", Cancellation);

        var after = await store.FindAsync("data/r/1/log.ndjson", Cancellation);
        Assert.Equal("one\ntwo\n", Text(after));
        Assert.NotEqual(before!.ETag, after!.ETag);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_range_is_read_without_the_rest()
    {
        var store = CreateStore();
        await store.TryAppendAsync("log", 0, Bytes("0123456789"), Cancellation);

        Assert.Equal("345", await ReadAsync(store, "log", 3, 3));
        Assert.Equal("789", await ReadAsync(store, "log", 7, null));
        Assert.Equal("89", await ReadAsync(store, "log", 8, 100));
        Assert.Equal("", await ReadAsync(store, "log", 10, null));
        Assert.Equal("", await ReadAsync(store, "log", 3, 0));
    }

    [Fact(Timeout = 180_000)]
    public async Task An_upload_replaces_the_blob_whole()
    {
        var store = CreateStore();
        var large = new byte[300_000];
        Random.Shared.NextBytes(large);

        var first = await store.UploadAsync("data/r/1/artifacts/größe 1%.bin", new MemoryStream(large), "application/octet-stream", null, Cancellation);
        Assert.Equal(large.Length, first.Length);
        var blob = await store.FindAsync(first.Name, Cancellation);
        Assert.Equal(first.ETag, blob!.ETag);
        Assert.True(blob.Content.Span.SequenceEqual(large));

        var second = await store.UploadAsync(first.Name, new MemoryStream("short"u8.ToArray()), "text/plain", null, Cancellation);
        Assert.NotEqual(first.ETag, second.ETag);
        Assert.Equal("short", Text(await store.FindAsync(first.Name, Cancellation)));
    }

    /// <summary>What a log was begun with may have to give way to the whole of it; a large upload may go another way than a small one.</summary>
    [Theory(Timeout = 180_000)]
    [InlineData(100)]
    [InlineData(22_000_000)]
    public async Task An_upload_replaces_what_was_appended(int length)
    {
        var store = CreateStore();
        var content = new byte[length];
        Random.Shared.NextBytes(content);
        Assert.True(await store.TryAppendAsync("data/r/1/log.ndjson", 0, Bytes("one\n"), Cancellation));

        var uploaded = await store.UploadAsync("data/r/1/log.ndjson", new MemoryStream(content), "application/x-ndjson", null, Cancellation);

        Assert.Equal(length, uploaded.Length);
        var blob = await store.FindAsync(uploaded.Name, Cancellation);
        Assert.Equal(uploaded.ETag, blob!.ETag);
        Assert.True(blob.Content.Span.SequenceEqual(content));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_listing_is_in_ordinal_order_by_prefix_and_in_pages()
    {
        var store = CreateStore();
        string[] names = ["l/a-b", "l/a.json", "l/a/1", "l/a/2/x", "l/a/2/y", "l/a0", "l/a/10", "l/b/c", "l/Z", "l/ä", "l/a b", "l/a%2F", "k", "l0", "m/z"];
        foreach (var name in names)
        {
            await store.PutAsync(name, Bytes(name), Cancellation);
        }

        var expected = names.Where(name => name.StartsWith("l/", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();
        for (var most = 1; most <= expected.Count + 1; most++)
        {
            Assert.Equal(expected, await ListAsync(store, "l/", most));
        }

        Assert.Equal(names.Order(StringComparer.Ordinal), await ListAsync(store, "", 4));
        Assert.Equal(expected.Where(name => name.StartsWith("l/a/", StringComparison.Ordinal)), await ListAsync(store, "l/a/", 2));
        Assert.Equal(expected.Where(name => name.StartsWith("l/a", StringComparison.Ordinal)), await ListAsync(store, "l/a", 3));
        Assert.Equal(["l/a/2/x", "l/a/2/y"], await ListAsync(store, "l/a/2", 1));
        Assert.Empty(await ListAsync(store, "l/a/3", 1));

        var page = await store.ListAsync("l/", null, expected.Count, Cancellation);
        Assert.Null(page.Continuation);
        Assert.All(page.Entries, entry => Assert.Equal(Encoding.UTF8.GetByteCount(entry.Name), entry.Length));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_listing_tells_metadata_and_version_of_each()
    {
        var store = CreateStore();
        var etag = await store.TryCreateAsync("runs/1/a.json", Bytes("{}"), Facts, Cancellation);
        await store.PutAsync("runs/1/b.json", Bytes("{}"), Cancellation);

        var page = await store.ListAsync("runs/", null, 10, Cancellation);
        Assert.Equal(["runs/1/a.json", "runs/1/b.json"], page.Entries.Select(entry => entry.Name));
        Assert.Equal(etag, page.Entries[0].ETag);
        Assert.Equal(Facts, page.Entries[0].Metadata);
        Assert.Null(page.Entries[1].Metadata);
        Assert.All(page.Entries, entry => Assert.InRange(entry.Age, TimeSpan.Zero, TimeSpan.FromMinutes(1)));
    }

    [Fact(Timeout = 180_000)]
    public async Task What_is_deleted_behind_a_page_does_not_disturb_the_next()
    {
        var store = CreateStore();
        for (var i = 0; i < 10; i++)
        {
            await store.PutAsync($"ready/w/{i}", default, Cancellation);
        }

        var first = await store.ListAsync("ready/", null, 4, Cancellation);
        foreach (var entry in first.Entries)
        {
            await store.TryDeleteAsync(entry.Name, null, Cancellation);
        }

        var second = await store.ListAsync("ready/", first.Continuation, 100, Cancellation);
        Assert.Equal(["ready/w/4", "ready/w/5", "ready/w/6", "ready/w/7", "ready/w/8", "ready/w/9"], second.Entries.Select(entry => entry.Name));
    }

    [Fact(Timeout = 180_000)]
    public async Task Of_many_creators_one_wins()
    {
        var store = CreateStore();
        for (var round = 0; round < 10; round++)
        {
            var name = $"keys/{round}";
            var won = new ConcurrentBag<string>();
            await Parallel.ForAsync(0, 8, Cancellation, async (writer, cancellationToken) =>
            {
                if (await store.TryCreateAsync(name, Bytes($"{writer}"), null, cancellationToken) is not null)
                {
                    won.Add($"{writer}");
                }
            });

            Assert.Equal(Text(await store.FindAsync(name, Cancellation)), Assert.Single(won));
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task No_update_is_lost_between_writers()
    {
        var store = CreateStore();
        await store.TryCreateAsync("counter", Bytes("0"), null, Cancellation);

        await Parallel.ForAsync(0, 4, Cancellation, async (_, cancellationToken) =>
        {
            for (var done = 0; done < 25;)
            {
                var blob = await store.FindAsync("counter", cancellationToken);
                var next = int.Parse(Text(blob)!, CultureInfo.InvariantCulture) + 1;
                if (await store.TryReplaceAsync("counter", Bytes($"{next}"), null, blob!.ETag, cancellationToken) is not null)
                {
                    done++;
                }
            }
        });

        Assert.Equal("100", Text(await store.FindAsync("counter", Cancellation)));
    }

    [Fact(Timeout = 180_000)]
    public async Task Appenders_at_one_offset_do_not_overwrite_each_other()
    {
        var store = CreateStore();
        await Parallel.ForAsync(0, 4, Cancellation, async (writer, cancellationToken) =>
        {
            for (var line = 0; line < 20;)
            {
                var length = (await store.FindEntryAsync("log", cancellationToken))?.Length ?? 0;
                if (await store.TryAppendAsync("log", length, Bytes($"{writer}:{line}\n"), cancellationToken))
                {
                    line++;
                }
            }
        });

        var lines = Text(await store.FindAsync("log", Cancellation))!.TrimEnd('\n').Split('\n');
        for (var writer = 0; writer < 4; writer++)
        {
            var own = lines.Where(line => line.StartsWith($"{writer}:", StringComparison.Ordinal));
            Assert.Equal(Enumerable.Range(0, 20).Select(line => $"{writer}:{line}"), own);
        }

        Assert.Equal(80, lines.Length);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("")]
    [InlineData("/a")]
    [InlineData("a/")]
    [InlineData("a//b")]
    [InlineData("a/./b")]
    [InlineData("a/../../b")]
    [InlineData("..")]
    public async Task A_name_that_could_leave_its_place_is_refused(string name)
    {
        var store = CreateStore();

        await Assert.ThrowsAsync<ArgumentException>(() => store.PutAsync(name, default, Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => store.FindAsync(name, Cancellation));
        await Assert.ThrowsAsync<ArgumentException>(() => store.TryDeleteAsync(name, null, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_cancelled_call_does_nothing()
    {
        var store = CreateStore();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.PutAsync("a", default, cancelled.Token));
        Assert.Null(await store.FindAsync("a", Cancellation));
    }

    [Fact]
    public void Addresses_are_plain_and_distinct()
    {
        var store = CreateStore();
        var addresses = new[] { "data/r/1/log.ndjson", "data/r/1/artifacts/a b?#.txt", "data/r/1/artifacts/a%20b" }.Select(store.GetAddress).ToList();

        Assert.Distinct(addresses);
        Assert.All(addresses, address => Assert.Equal(("", ""), (address.Query, address.UserInfo)));
        Assert.EndsWith("data/r/1/log.ndjson", addresses[0].AbsolutePath, StringComparison.Ordinal);
    }

    protected static async Task<List<string>> ListAsync(IBlobStore store, string prefix, int most)
    {
        var names = new List<string>();
        string? continuation = null;
        do
        {
            var page = await store.ListAsync(prefix, continuation, most, Cancellation);
            Assert.InRange(page.Entries.Count, 0, most);
            names.AddRange(page.Entries.Select(entry => entry.Name));
            continuation = page.Continuation;
        }
        while (continuation is not null);

        return names;
    }

    protected static ReadOnlyMemory<byte> Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected static string? Text(Blob? blob) => blob is null ? null : Encoding.UTF8.GetString(blob.Content.Span);

    private static async Task<string> ReadAsync(IBlobStore store, string name, long offset, long? count)
    {
        await using var stream = await store.OpenReadAsync(name, offset, count, Cancellation);
        using var reader = new StreamReader(stream!);
        return await reader.ReadToEndAsync(Cancellation);
    }
}
