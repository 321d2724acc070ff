using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Testing;

namespace OzFunctions.Files;

/// <summary>A disk of one megabyte in memory, which needs root to be mounted.</summary>
public sealed class SmallDiskTests : IAsyncLifetime
{
    private readonly TempDirectory _directory = new();
    private bool _mounted;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() =>
        _mounted = Environment.UserName == "root" && await MountAsync("-t", "tmpfs", "-o", "size=1m", "tmpfs", _directory.Path);

    public async ValueTask DisposeAsync()
    {
        // A child that a test beside this one is just forking has what was open here for a moment.
        var began = TimeProvider.System.GetTimestamp();
        while (_mounted && (await TestProcess.RunAsync("umount", [_directory.Path], CancellationToken.None)).ExitCode != 0)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromMinutes(1), "the disk is still in use");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }

        _directory.Dispose();
    }

    [Fact(Timeout = 180_000)]
    public async Task A_full_disk_leaves_the_old_version_and_says_what_to_do()
    {
        Assert.SkipUnless(_mounted, "needs root, to mount a small disk");
        using var opened = FilesStore.Open(new() { Directory = _directory["data"] }, TimeProvider.System);
        var store = new FilesBlobStore(opened);
        var etag = await store.TryCreateAsync("runs/1/a.json", Bytes("old"), new Dictionary<string, string> { ["n"] = "1" }, Cancellation);
        await store.TryAppendAsync("log.ndjson", 0, Bytes("one\n"), Cancellation);
        var large = new byte[2 << 20];

        foreach (var write in new Func<Task>[]
        {
            () => store.TryReplaceAsync("runs/1/a.json", large, null, etag!.Value, Cancellation),
            () => store.TryCreateAsync("runs/1/b.json", large, null, Cancellation),
            () => store.PutAsync("runs/1/a.json", large, Cancellation),
            () => store.UploadAsync("runs/1/a.json", new MemoryStream(large), "x/y", null, Cancellation),
            () => store.TryAppendAsync("log.ndjson", 4, large, Cancellation),
            () => new FilesRequestQueue(opened, "q").SendAsync(large, Cancellation),
        })
        {
            var refused = await Assert.ThrowsAsync<BlobStoreException>(write);
            Assert.True(refused.IsTransient);
            Assert.Contains("disk is full", refused.Message, StringComparison.Ordinal);
        }

        var blob = await store.FindAsync("runs/1/a.json", Cancellation);
        Assert.Equal(("old", etag, "1"), (Encoding.UTF8.GetString(blob!.Content.Span), blob.ETag, blob.Metadata!["n"]));
        Assert.Null(await store.FindAsync("runs/1/b.json", Cancellation));

        // No half of a write is left behind, so what fits goes on.
        Assert.True(await store.TryAppendAsync("log.ndjson", 4, Bytes("two\n"), Cancellation));
        Assert.NotNull(await store.TryReplaceAsync("runs/1/a.json", Bytes("new"), null, etag!.Value, Cancellation));
        Assert.Equal("one\ntwo\n", Encoding.UTF8.GetString((await store.FindAsync("log.ndjson", Cancellation))!.Content.Span));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_disk_full_to_the_last_byte_still_deletes_and_marks_life()
    {
        Assert.SkipUnless(_mounted, "needs root, to mount a small disk");
        using var opened = FilesStore.Open(new() { Directory = _directory["data"] }, TimeProvider.System);
        var store = new FilesBlobStore(opened);
        using var host = new FilesHostLock(opened).Hold("h1");
        await store.PutAsync("active/r", default, Cancellation);
        await FillAsync();

        await Assert.ThrowsAsync<BlobStoreException>(() => store.TryAppendAsync("log.ndjson", 0, Bytes("one\n"), Cancellation));
        await new FilesBell(opened).RingAsync("local", Runs.RunId.Create(TimeProvider.System), Cancellation);
        Assert.True(host.Renew());
        Assert.True(await store.TryDeleteAsync("active/r", null, Cancellation));
        File.Delete(_directory["filler"]);
        Assert.True(await store.TryAppendAsync("log.ndjson", 0, Bytes("one\n"), Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_read_only_disk_is_refused_with_a_sentence()
    {
        Assert.SkipUnless(_mounted, "needs root, to mount a small disk");
        var opened = FilesStore.Open(new() { Directory = _directory["data"] }, TimeProvider.System);
        var etag = await new FilesBlobStore(opened).PutAsync("runs/1/a.json", Bytes("old"), Cancellation);

        // Open for writing are its locks, and a disk with such files cannot be made read-only.
        opened.Dispose();
        Assert.True(await MountAsync("-o", "remount,ro", _directory.Path));
        var refused = Assert.Throws<BlobStoreException>(() => FilesStore.Open(new() { Directory = _directory["data"] }, TimeProvider.System));

        Assert.Equal((false, true), (refused.IsTransient, refused.RefusesAll));
        Assert.Contains("read-only", refused.Message, StringComparison.Ordinal);
        Assert.Contains(_directory["data"], refused.Message, StringComparison.Ordinal);
        Assert.True(await MountAsync("-o", "remount,rw", _directory.Path));
        using var again = FilesStore.Open(new() { Directory = _directory["data"] }, TimeProvider.System);
        Assert.Equal(etag, (await new FilesBlobStore(again).FindAsync("runs/1/a.json", Cancellation))!.ETag);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static async Task<bool> MountAsync(params string[] arguments) =>
        (await TestProcess.RunAsync("mount", arguments, CancellationToken.None)).ExitCode == 0;

    private async Task FillAsync()
    {
        var filler = new FileStream(_directory["filler"], FileMode.CreateNew);
        try
        {
            await using (filler)
            {
                await filler.WriteAsync(new byte[2 << 20], Cancellation);
            }
        }
        catch (IOException)
        {
            // Full, as it should be.
        }
    }
}
