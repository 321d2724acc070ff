using System.Diagnostics;
using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Testing;

namespace OzFunctions.Files;

/// <summary>What plain files add to the contract.</summary>
public sealed class FilesBlobStoreTests : IDisposable
{
    private static readonly Dictionary<string, string> Facts = new() { ["state"] = "QUEUED", ["title"] = "größe\n" };

    private readonly ManualTimeProvider _clock = new();
    private readonly TempDirectory _directory = new();
    private readonly FilesStore _opened;
    private readonly FilesBlobStore _store;

    public FilesBlobStoreTests()
    {
        _opened = FilesStore.Open(new() { Directory = _directory["data"], Durability = Durability.Process }, _clock);
        _store = new FilesBlobStore(_opened);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _opened.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_record_file_is_exactly_its_content()
    {
        await _store.TryCreateAsync("runs/82279/1-r.json", Bytes("{}\n"), Facts, Cancellation);

        Assert.Equal("{}\n", File.ReadAllText(PathOf("runs/82279/1-r.json")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(PathOf("runs/82279/1-r.json")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(PathOf("runs/82279")));
    }

    [Fact]
    public async Task No_version_ever_has_an_etag_again_though_the_clock_stands_still()
    {
        var seen = new HashSet<ETag>();
        var etag = await _store.TryCreateAsync("a", Bytes("same"), null, Cancellation);
        for (var round = 0; round < 10_000; round++)
        {
            Assert.True(seen.Add(etag!.Value));
            if (round % 4 == 3)
            {
                await _store.TryDeleteAsync("a", etag, Cancellation);
                etag = await _store.TryCreateAsync("a", Bytes("same"), null, Cancellation);
            }
            else
            {
                etag = round % 4 == 2
                    ? await _store.PutAsync("a", Bytes("same"), Cancellation)
                    : await _store.TryReplaceAsync("a", Bytes("same"), null, etag.Value, Cancellation);
            }
        }

        for (var round = 0; round < 1000; round++)
        {
            Assert.True(seen.Add(await _store.PutAsync("marker", default, Cancellation)));
            if (round % 3 == 0)
            {
                await _store.TryDeleteAsync("marker", null, Cancellation);
            }
        }
    }

    [Fact]
    public async Task An_etag_is_not_given_again_after_the_store_was_closed()
    {
        var etag = await _store.PutAsync("a", default, Cancellation);
        await _store.TryDeleteAsync("a", null, Cancellation);
        using var again = FilesStore.Open(new() { Directory = _opened.Directory }, _clock);

        Assert.NotEqual(etag, await new FilesBlobStore(again).PutAsync("a", default, Cancellation));
    }

    [Fact]
    public async Task Ages_follow_the_clock_after_it_was_put_back()
    {
        var before = await _store.PutAsync("hosts/h.json", Bytes("1"), Cancellation);
        _clock.JumpWallClock(TimeSpan.FromHours(-2));
        Assert.Equal(TimeSpan.Zero, (await _store.FindEntryAsync("hosts/h.json", Cancellation))!.Age);

        Assert.NotEqual(before, await _store.PutAsync("hosts/h.json", Bytes("2"), Cancellation));
        _clock.Advance(TimeSpan.FromMinutes(11));
        var age = (await _store.FindEntryAsync("hosts/h.json", Cancellation))!.Age;
        Assert.InRange(age, TimeSpan.FromMinutes(11), TimeSpan.FromMinutes(11) + TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public async Task Metadata_of_another_version_is_ignored()
    {
        await _store.TryCreateAsync("runs/1/a.json", Bytes("{}"), Facts, Cancellation);
        File.WriteAllText(PathOf("runs/1/a.json"), "{ }");

        Assert.Null((await _store.FindAsync("runs/1/a.json", Cancellation))!.Metadata);
        Assert.Null((await _store.FindEntryAsync("runs/1/a.json", Cancellation))!.Metadata);
        Assert.Null(Assert.Single((await _store.ListAsync("", null, 10, Cancellation)).Entries).Metadata);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("""{"etag":null,"meta":null}""")]
    [InlineData("""{"etag":"x"}""")]
    public async Task A_damaged_sidecar_is_ignored(string sidecar)
    {
        await _store.TryCreateAsync("runs/1/a.json", Bytes("{}"), Facts, Cancellation);
        File.WriteAllText(Path.Join(_opened.Directory, "meta/runs/1/a.json"), sidecar);

        Assert.Null((await _store.FindAsync("runs/1/a.json", Cancellation))!.Metadata);
    }

    [Fact]
    public async Task Missing_metadata_of_a_run_is_rebuilt_once_from_its_content()
    {
        var described = new List<string>();
        var store = new FilesBlobStore(_opened, (name, content) =>
        {
            described.Add(name);
            return content.Span.SequenceEqual("{}"u8) ? Facts : null;
        });
        await store.PutAsync("runs/1/a.json", Bytes("{}"), Cancellation);
        await store.PutAsync("runs/1/b.json", Bytes("damaged"), Cancellation);
        await store.PutAsync("data/r/1/log.ndjson", Bytes("{}"), Cancellation);

        var page = await store.ListAsync("", null, 10, Cancellation);
        Assert.Equal([null, Facts, null], page.Entries.Select(entry => entry.Metadata));
        Assert.Equal(["runs/1/a.json", "runs/1/b.json"], described);

        described.Clear();
        Assert.Equal(Facts, (await store.FindEntryAsync("runs/1/a.json", Cancellation))!.Metadata);
        Assert.Equal(page.Entries[1].ETag, (await store.FindAsync("runs/1/a.json", Cancellation))!.ETag);
        Assert.Empty(described);
    }

    [Fact]
    public async Task A_log_torn_by_power_loss_is_cut_to_its_last_line_by_the_next_append()
    {
        await _store.TryAppendAsync("data/r/1/log.ndjson", 0, Bytes("one\ntwo\n"), Cancellation);
        File.AppendAllText(PathOf("data/r/1/log.ndjson"), "thr");

        Assert.True(await _store.TryAppendAsync("data/r/1/log.ndjson", 8, Bytes("three\n"), Cancellation));
        Assert.Equal("one\ntwo\nthree\n", File.ReadAllText(PathOf("data/r/1/log.ndjson")));

        // Whole lines that arrived stay: the writer learns that the length is another.
        File.AppendAllText(PathOf("data/r/1/log.ndjson"), "four\nfi");
        Assert.False(await _store.TryAppendAsync("data/r/1/log.ndjson", 14, Bytes("four\nfive\n"), Cancellation));
        Assert.Equal("one\ntwo\nthree\nfour\n", File.ReadAllText(PathOf("data/r/1/log.ndjson")));
    }

    [Fact]
    public async Task What_is_no_log_is_never_cut()
    {
        await _store.TryAppendAsync("notes.txt", 0, Bytes("one\ntwo"), Cancellation);

        Assert.False(await _store.TryAppendAsync("notes.txt", 4, Bytes("three\n"), Cancellation));
        Assert.Equal("one\ntwo", File.ReadAllText(PathOf("notes.txt")));
    }

    [Fact]
    public async Task Long_and_odd_names_are_listed_in_order_among_the_others()
    {
        string[] names =
        [
            new string('x', 200), new string('x', 201), new string('x', 200) + "b" + new string('y', 200), new string('x', 200) + "c",
            new string('x', 200) + "d" + new string('y', 500), new string('x', 300) + "/inner", "y\nz", "y%", "y", "z/" + new string('é', 400) + "/.tmp",
        ];
        foreach (var name in names)
        {
            await _store.PutAsync($"data/{name}", Bytes(name), Cancellation);
        }

        var expected = names.Select(name => $"data/{name}").Order(StringComparer.Ordinal).ToList();
        for (var most = 1; most <= 4; most++)
        {
            var listed = new List<string>();
            string? continuation = null;
            do
            {
                var page = await _store.ListAsync("data/", continuation, most, Cancellation);
                listed.AddRange(page.Entries.Select(entry => entry.Name));
                continuation = page.Continuation;
            }
            while (continuation is not null);

            Assert.Equal(expected, listed);
        }

        foreach (var name in names)
        {
            Assert.True(await _store.TryDeleteAsync($"data/{name}", null, Cancellation));
        }

        Assert.Empty((await _store.ListAsync("", null, 10, Cancellation)).Entries);
    }

    [Fact]
    public async Task Directories_that_deletes_leave_empty_go_and_come_back_when_needed()
    {
        await _store.TryCreateAsync("data/r/1/artifacts/src/a.txt", Bytes("1"), Facts, Cancellation);
        await _store.TryDeleteAsync("data/r/1/artifacts/src/a.txt", null, Cancellation);
        Assert.False(Directory.Exists(PathOf("data/r")));
        Assert.True(Directory.Exists(PathOf("data")));

        await _store.PutAsync("ready/w/1", default, Cancellation);
        await _store.TryDeleteAsync("ready/w/1", null, Cancellation);
        Assert.True(Directory.Exists(PathOf("ready/w")));
        Directory.SetLastWriteTimeUtc(PathOf("ready/w"), _clock.GetUtcNow().UtcDateTime - TimeSpan.FromMinutes(5));
        await _store.ListAsync("ready/", null, 10, Cancellation);
        Assert.False(Directory.Exists(PathOf("ready/w")));

        await _store.PutAsync("ready/w/2", default, Cancellation);
        Assert.Equal("ready/w/2", Assert.Single((await _store.ListAsync("", null, 10, Cancellation)).Entries).Name);
    }

    [Fact(Timeout = 180_000)]
    public async Task Creators_and_pruners_of_one_directory_do_not_disturb_each_other()
    {
        await Parallel.ForAsync(0, 4, Cancellation, async (writer, cancellationToken) =>
        {
            for (var round = 0; round < 300; round++)
            {
                var name = $"data/r/1/artifacts/{writer}";
                Assert.NotNull(await _store.TryCreateAsync(name, Bytes("1"), Facts, cancellationToken));
                Assert.NotNull(await _store.FindAsync(name, cancellationToken));
                Assert.True(await _store.TryDeleteAsync(name, null, cancellationToken));
            }
        });

        Assert.False(Directory.Exists(PathOf("data/r")));
    }

    [Fact]
    public async Task A_name_cannot_be_a_blob_and_the_beginning_of_others()
    {
        await _store.PutAsync("a/b", Bytes("1"), Cancellation);

        Assert.Null(await _store.FindAsync("a", Cancellation));
        Assert.Null(await _store.FindAsync("a/b/c", Cancellation));
        foreach (var write in new Func<Task>[]
        {
            () => _store.PutAsync("a", Bytes("1"), Cancellation),
            () => _store.TryCreateAsync("a", Bytes("1"), null, Cancellation),
            () => _store.TryCreateAsync("a/b/c", Bytes("1"), null, Cancellation),
            () => _store.TryAppendAsync("a", 0, Bytes("1"), Cancellation),
        })
        {
            var refused = await Assert.ThrowsAsync<BlobStoreException>(write);
            Assert.False(refused.IsTransient);
            Assert.Contains("is in the way", refused.Message, StringComparison.Ordinal);
        }

        Assert.DoesNotContain(Directory.GetFiles(Path.Join(_opened.Directory, "tmp", _opened.Instance)), file => Path.GetFileName(file) != "lock");
    }

    [Fact]
    public async Task Readers_see_the_old_or_the_new_content_and_nothing_between()
    {
        var contents = new[] { new string('a', 100_000), new string('b', 50_000) };
        await _store.PutAsync("a", Bytes(contents[0]), Cancellation);
        using var done = new CancellationTokenSource();
        var writing = Task.Run(
            async () =>
            {
                for (var round = 0; round < 300; round++)
                {
                    await _store.PutAsync("a", Bytes(contents[round % 2]), default);
                }

                await done.CancelAsync();
            },
            Cancellation);

        while (!done.IsCancellationRequested)
        {
            var blob = await _store.FindAsync("a", Cancellation);
            Assert.Contains(Encoding.UTF8.GetString(blob!.Content.Span), contents);
        }

        await writing;
    }

    [Fact]
    public async Task The_first_page_of_ten_thousand_runs_in_one_directory_is_quick()
    {
        Directory.CreateDirectory(PathOf("runs/82279"));
        for (var run = 0; run < 10_000; run++)
        {
            File.WriteAllBytes(PathOf($"runs/82279/{run:d13}-r.json"), "{}"u8);
        }

        await _store.ListAsync("runs/", null, 100, Cancellation);
        var best = TimeSpan.MaxValue;
        for (var round = 0; round < 10; round++)
        {
            var started = Stopwatch.GetTimestamp();
            var page = await _store.ListAsync("runs/", null, 100, Cancellation);
            best = TimeSpan.FromTicks(Math.Min(best.Ticks, Stopwatch.GetElapsedTime(started).Ticks));
            Assert.Equal(100, page.Entries.Count);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{best.TotalMilliseconds:f1} ms");

        // Far above what a listing takes and far below what reading every file would on a busy machine; the bench has the figure.
        Assert.InRange(best, TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private string PathOf(string name) => Path.Join(_opened.Directory, "ozfunctions", FileNames.PathOf(name));
}
