using System.Globalization;
using System.Text;
using OzFunctions.Testing;

namespace OzFunctions.Files.Processes;

/// <summary>What holds between processes, and when one is killed.</summary>
public sealed class SeveralProcessesTests : IAsyncLifetime
{
    private readonly TempDirectory _directory = new();
    private readonly List<TestProcess> _children = [];
    private FilesStore? _store;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Data => _directory["data"];

    private FilesStore Store => _store ??= FilesStore.Open(new() { Directory = Data }, TimeProvider.System);

    private FilesBlobStore Blobs => new(Store);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var child in _children)
        {
            await child.DisposeAsync();
            Assert.False(ProcessTable.IsAlive(child.Id));
        }

        _store?.Dispose();
        Assert.Empty(ProcessTable.WithTag(_directory.Path));
        _directory.Dispose();
    }

    [Fact(Timeout = 180_000)]
    public async Task Of_two_processes_that_create_one_blob_exactly_one_wins()
    {
        const int Rounds = 1000;
        var (first, second) = (await StartAsync("create", "a", $"{Rounds}"), await StartAsync("create", "b", $"{Rounds}"));
        await GoAsync(first, second);
        await Task.WhenAll(first.WaitForExitAsync(Cancellation), second.WaitForExitAsync(Cancellation));

        var won = new[] { Wins(first), Wins(second) };
        Assert.Equal(Enumerable.Range(0, Rounds), won.SelectMany(rounds => rounds).Order());
        foreach (var round in won[0].Take(20))
        {
            Assert.Equal("a", await ReadAsync($"keys/{round}"));
        }

        static List<int> Wins(TestProcess child) =>
            [.. child.Output.Where(line => line.StartsWith("won ", StringComparison.Ordinal)).Select(line => int.Parse(line[4..], CultureInfo.InvariantCulture))];
    }

    [Fact(Timeout = 180_000)]
    public async Task No_acknowledged_update_is_lost_when_writers_are_killed()
    {
        await Blobs.TryCreateAsync("counter", Bytes("0"), null, Cancellation);
        var steady = await StartAsync("count", "1500");
        await GoAsync(steady);
        var acknowledged = 0;
        for (var kill = 0; kill < 6; kill++)
        {
            var victim = await StartAsync("count", "1000000");
            await GoAsync(victim);
            await victim.WaitForLineAsync(line => line.StartsWith("counted", StringComparison.Ordinal), Cancellation);
            await victim.KillAsync();
            await victim.WaitForExitAsync(Cancellation);
            acknowledged += Counted(victim).Count;
        }

        Assert.Equal(0, await steady.WaitForExitAsync(Cancellation));
        var steadily = Counted(steady);
        acknowledged += steadily.Count;

        // A kill may fall between the write and its line: at most one a victim.
        var counter = int.Parse(await ReadAsync("counter"), CultureInfo.InvariantCulture);
        Assert.InRange(counter, acknowledged, acknowledged + 6);
        Assert.Equal(1500, steadily.Count);
        Assert.Distinct(steadily);

        static List<string> Counted(TestProcess child) => [.. child.Output.Where(line => line.StartsWith("counted ", StringComparison.Ordinal))];
    }

    [Fact(Timeout = 180_000)]
    public async Task Appenders_of_several_processes_lose_no_line()
    {
        var children = new[] { await StartAsync("append", "a", "300"), await StartAsync("append", "b", "300") };
        await GoAsync(children);
        await Task.WhenAll(children.Select(child => child.WaitForExitAsync(Cancellation)));

        var lines = (await ReadAsync("log.ndjson")).TrimEnd('\n').Split('\n');
        Assert.Equal(600, lines.Length);
        foreach (var writer in new[] { "a", "b" })
        {
            Assert.Equal(Enumerable.Range(0, 300).Select(line => $"{writer}:{line}"), lines.Where(line => line[0] == writer[0]));
        }
    }

    [Theory(Timeout = 180_000)]
    [InlineData("temporary written")]
    [InlineData("sidecar renamed")]
    public async Task A_writer_killed_before_the_name_leaves_the_old_version(string step)
    {
        var etag = await Blobs.TryCreateAsync("runs/1/a.json", Bytes("old"), new Dictionary<string, string> { ["n"] = "1" }, Cancellation);
        foreach (var (verb, name) in new[] { ("replace", "runs/1/a.json"), ("create", "runs/1/b.json") })
        {
            var victim = await StartAsync("stop-at", step, verb, name, "new");
            await victim.WaitForLineAsync($"at {step}", Cancellation);
            await victim.KillAsync();
        }

        var blob = await Blobs.FindAsync("runs/1/a.json", Cancellation);
        Assert.Equal(("old", etag), (Encoding.UTF8.GetString(blob!.Content.Span), blob.ETag));
        Assert.True(blob.Metadata is null || blob.Metadata["n"] == "1");
        Assert.Null(await Blobs.FindAsync("runs/1/b.json", Cancellation));

        // Neither the lock nor the name is blocked by the dead.
        Assert.NotNull(await Blobs.TryReplaceAsync("runs/1/a.json", Bytes("next"), null, etag!.Value, Cancellation));
        Assert.NotNull(await Blobs.TryCreateAsync("runs/1/b.json", Bytes("next"), null, Cancellation));

        // What it had half written goes when somebody opens the store next; what the living have stays.
        Assert.NotEmpty(Temporaries());
        FilesStore.Open(new() { Directory = Data }, TimeProvider.System).Dispose();
        Assert.Empty(Temporaries());
        Assert.Equal(Store.Instance, Path.GetFileName(Assert.Single(Directory.GetDirectories(Path.Join(Data, "tmp")))));

        List<string> Temporaries() =>
            [.. Directory.GetFiles(Path.Join(Data, "tmp"), "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "lock")];
    }

    [Fact(Timeout = 180_000)]
    public async Task A_writer_killed_after_the_name_has_written_both()
    {
        var victim = await StartAsync("stop-at", "name given", "create", "runs/1/a.json", "new");
        await victim.WaitForLineAsync("at name given", Cancellation);
        await victim.KillAsync();

        var blob = await Blobs.FindAsync("runs/1/a.json", Cancellation);
        Assert.Equal("new", Encoding.UTF8.GetString(blob!.Content.Span));
        Assert.Equal("1", blob.Metadata!["n"]);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_append_that_a_kill_cut_short_is_taken_back_whole()
    {
        // Not a log by its name, so that its line feeds help nobody.
        for (var round = 0; round < 4; round++)
        {
            await Blobs.TryAppendAsync("large.bin", 0, Bytes("one\ntwo"), Cancellation);
            var victim = await StartAsync("append-large", "large.bin", $"{128 << 20}");
            await victim.WaitForLineAsync("append begun", Cancellation);
            await victim.KillAsync();
            await victim.WaitForExitAsync(Cancellation);
            var whole = victim.Output.Contains("appended");
            TestContext.Current.TestOutputHelper?.WriteLine($"killed at {(await Blobs.FindEntryAsync("large.bin", Cancellation))!.Length} bytes");

            // All or nothing: this one goes through at the old length, whatever was left.
            Assert.Equal(!whole, await Blobs.TryAppendAsync("large.bin", 7, Bytes("three"), Cancellation));
            Assert.True(whole || await ReadAsync("large.bin") == "one\ntwothree");
            await Blobs.TryDeleteAsync("large.bin", null, Cancellation);
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task A_message_that_a_dead_process_took_is_there_again_at_once()
    {
        var queue = new FilesRequestQueue(Store, "oz-requests");
        var id = await queue.SendAsync(Bytes("body"), Cancellation);
        var victim = await StartAsync("receive", "oz-requests");
        await victim.WaitForLineAsync($"received {id} 1", Cancellation);
        Assert.Null(await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, Cancellation));

        await victim.KillAsync();

        // It was hidden for an hour.
        var message = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(100), Cancellation);
        Assert.Equal((id, 2), (message!.MessageId, message.DeliveryCount));
        Assert.True(await queue.CompleteAsync(message, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_process_that_waits_gets_what_another_sends()
    {
        var receiver = await StartAsync("receive", "oz-requests");
        var id = await new FilesRequestQueue(Store, "oz-requests").SendAsync(Bytes("body"), Cancellation);

        await receiver.WaitForLineAsync($"received {id} 1", Cancellation);
    }

    [Theory(Timeout = 180_000)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_bell_is_heard_from_another_process(bool useWatches)
    {
        using var store = FilesStore.Open(new() { Directory = Data, UseWatches = useWatches }, TimeProvider.System);
        var ringer = await StartAsync("ring", "local");
        await using var listener = new FilesBell(store).Listen("local");
        for (var round = 1; round <= 3; round++)
        {
            var waiting = listener.WaitAsync(TimeSpan.FromSeconds(50), Cancellation);
            await ringer.Input.WriteLineAsync("ring");
            Assert.True(await waiting);
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task A_killed_host_holds_its_lock_no_more()
    {
        var host = await StartAsync("host", "h1");
        await host.WaitForLineAsync("holds", Cancellation);
        var locks = new FilesHostLock(Store);
        Assert.True(locks.Find("h1")!.Value.Held);

        await host.KillAsync();

        Assert.False(locks.Find("h1")!.Value.Held);
        Assert.InRange(locks.Find("h1")!.Value.Age, TimeSpan.Zero, TimeSpan.FromMinutes(1));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_frozen_reader_or_waiter_stops_nobody()
    {
        var frozen = await StartAsync("receive", "oz-requests");
        frozen.Signal(Signals.Stop);
        var queue = new FilesRequestQueue(Store, "oz-requests");
        await queue.SendAsync(Bytes("body"), Cancellation);
        Assert.NotNull(await Blobs.TryCreateAsync("a", Bytes("1"), null, Cancellation));
        var message = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(100), Cancellation);
        Assert.True(await queue.CompleteAsync(message!, Cancellation));
        frozen.Signal(Signals.Continue);
    }

    [Fact(Timeout = 180_000)]
    public async Task Listing_in_pages_misses_nothing_while_others_write()
    {
        var names = new List<string>();
        foreach (var run in Enumerable.Range(0, 10_000))
        {
            names.Add($"runs/{run / 100:d5}/{run:d13}-r.json");
        }

        // Put there as plain files: it is the listing that is tried.
        foreach (var name in names)
        {
            var path = Path.Join(Store.Directory, "ozfunctions", name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, "{}"u8);
        }

        var churning = await StartAsync("churn");
        var listed = new List<string>();
        string? continuation = null;
        do
        {
            var page = await Blobs.ListAsync("runs/", continuation, 1000, Cancellation);
            listed.AddRange(page.Entries.Select(entry => entry.Name));
            continuation = page.Continuation;
        }
        while (continuation is not null);

        Assert.False(churning.HasExited);
        Assert.Equal(listed.Order(StringComparer.Ordinal), listed);
        Assert.Equal(names, listed.Where(name => name.EndsWith(".json", StringComparison.Ordinal)));
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static async Task GoAsync(params TestProcess[] children)
    {
        foreach (var child in children)
        {
            await child.Input.WriteLineAsync("go");
        }
    }

    private async Task<TestProcess> StartAsync(params string[] arguments)
    {
        var child = Child.Start(Data, arguments);
        _children.Add(child);
        await child.WaitForLineAsync("ready", Cancellation);
        return child;
    }

    private async Task<string> ReadAsync(string name) => Encoding.UTF8.GetString((await Blobs.FindAsync(name, Cancellation))!.Content.Span);
}
