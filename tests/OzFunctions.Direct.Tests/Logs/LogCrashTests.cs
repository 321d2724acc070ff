using System.Security.Cryptography;
using System.Text;
using OzFunctions.Direct.Logs;
using OzFunctions.Logs;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>A host that dies at any step of an append leaves a log that the next host completes: no line lost, none doubled.</summary>
public sealed class LogCrashTests
{
    private const int Lines = 60;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 180_000)]
    [InlineData(64 << 20)]
    [InlineData(3000)]
    public async Task Killed_after_the_journal_and_before_the_append(long cap)
    {
        for (var at = 1; at <= 24; at += 2)
        {
            await CrashAsync(cap, scene => scene.BeforeAppend = From(at), _ => { });
        }
    }

    [Theory(Timeout = 180_000)]
    [InlineData(64 << 20)]
    [InlineData(3000)]
    public async Task Killed_after_the_append(long cap)
    {
        for (var at = 1; at <= 24; at += 2)
        {
            await CrashAsync(cap, scene => scene.AfterAppend = From(at), _ => { });
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task Killed_while_the_journal_is_written()
    {
        for (var cut = 1; cut < 400; cut += 37)
        {
            await CrashAsync(64 << 20, scene => scene.BeforeAppend = From(4), directory =>
            {
                // The append did not take place, so the entry before is still true.
                var path = Path.Combine(directory, "log.journal");
                var bytes = File.ReadAllBytes(path);
                File.WriteAllBytes(path, bytes[..^cut]);
            });
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task Without_its_journal_the_log_is_found_to_stand_there()
    {
        await CrashAsync(64 << 20, scene => scene.BeforeAppend = From(6), directory => File.Delete(Path.Combine(directory, "log.journal")));
    }

    [Fact(Timeout = 180_000)]
    public async Task What_a_store_lost_is_written_again()
    {
        await using var scene = await BeginAsync(64 << 20, scene => scene.BeforeAppend = From(6));
        var name = RunLogs.NameOf(scene.RunId, 1);
        var stored = (await scene.Blobs.FindAsync(name, Cancellation))!.Content;
        await scene.Blobs.PutAsync(name, stored[..(stored.Span[..(stored.Length / 2)].LastIndexOf((byte)'\n') + 1)], Cancellation);

        await EndAsync(scene);
    }

    [Fact(Timeout = 180_000)]
    public async Task Bytes_of_another_are_left_alone_and_the_log_goes_on_behind_them()
    {
        await using var scene = await BeginAsync(64 << 20, scene => scene.BeforeAppend = From(3));
        scene.Heal();
        var name = RunLogs.NameOf(scene.RunId, 1);
        var stored = (await scene.Blobs.FindAsync(name, Cancellation))!;
        var n = (await scene.LinesAsync())[^1].N;
        await scene.Blobs.TryAppendAsync(name, stored.Length, Encoding.UTF8.GetBytes($$"""{"n":{{n + 1}},"s":"host","m":"foreign"}""" + "\n"), Cancellation);

        await using var log = scene.Open();
        await log.SealAsync(Cancellation);

        var lines = await scene.LinesAsync();
        Assert.Equal(Enumerable.Range(1, lines.Count).Select(number => (long)number), lines.Select(line => line.N));
        Assert.Single(lines, line => line.Text == "foreign");
        Assert.Equal(Lines, lines.Count(line => line.Source == LogSource.Out));
    }

    [Fact(Timeout = 180_000)]
    public async Task The_host_that_adopts_sees_every_line_and_its_own_stand_at_the_end()
    {
        await using var scene = await BeginAsync(64 << 20, scene => scene.BeforeAppend = From(3));
        var before = scene.Seen.Count;
        scene.Heal();
        await using var log = scene.Open();
        log.AddHostLine("adopted");
        scene.Session.Write(SpoolStream.AgentOut, "later\n");
        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
        await log.SealAsync(Cancellation);

        Assert.Equal(Lines + 2, scene.Seen.Count - before); // stderr's unfinished line too
        Assert.Equal([$"err:{new string('k', Lines)}", "host:adopted", "out:later"], (await scene.MessagesAsync()).TakeLast(3));
        Assert.Equal(await scene.UndisturbedAsync(), await scene.StoredAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_line_added_after_a_seal_by_the_next_host_is_stored()
    {
        await using var scene = await BeginAsync(3000, _ => { });
        LogSummary first;
        await using (var log = scene.Open())
        {
            first = await log.SealAsync(Cancellation);
        }

        await using var next = scene.Open();
        next.AddHostLine("adopted");
        var second = await next.SealAsync(Cancellation);

        Assert.Equal(first.Lines + 1, second.Lines);
        Assert.Equal(first.CutBytes, second.CutBytes);
        Assert.Equal("host:adopted", (await scene.MessagesAsync())[^1]);
        AssertWhole(second, await scene.StoredAsync(), await scene.LinesAsync());
    }

    private static Func<int, Exception?> From(int first) => number => number >= first ? LogScene.Away : null;

    private static async Task CrashAsync(long cap, Action<LogScene> fault, Action<string> afterwards)
    {
        await using var scene = await BeginAsync(cap, fault);
        afterwards(scene.PrivateDirectory);
        await EndAsync(scene);
    }

    /// <summary>A host that gets as far as the fault lets it, and is gone then.</summary>
    private static async Task<LogScene> BeginAsync(long cap, Action<LogScene> fault)
    {
        var scene = new LogScene { Filters = () => new HoldingFilter() };
        scene.Options = scene.Options with { BatchBytes = cap > 3000 ? 400 : 100, Cap = cap };
        fault(scene);
        await using var log = scene.Open();
        log.AddHostLine("begin");
        scene.Session.Write(SpoolStream.SetupOut, "unfinished");
        scene.Session.End(ShimPhase.Setup);
        await log.FollowAsync(scene.Session, ShimPhase.Setup, Cancellation);
        for (var i = 0; i < Lines; i++)
        {
            scene.Session.Write(SpoolStream.AgentErr, "k");
            scene.Session.Write(SpoolStream.AgentOut, $"{i}\n");
        }

        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);

        // The tail is only written by a seal, and the fault is to hit that too.
        await Task.WhenAny(cap < 1 << 20 ? log.SealAsync(Cancellation) : log.FlushAsync(Cancellation), scene.Faulted);
        return scene;
    }

    private static async Task EndAsync(LogScene scene)
    {
        scene.Heal();
        LogSummary summary;
        await using (var log = scene.Open())
        {
            summary = await log.SealAsync(Cancellation);
        }

        var stored = await scene.StoredAsync();
        AssertWhole(summary, stored, await scene.LinesAsync());
        if (summary.CutBytes == 0)
        {
            Assert.Equal(["host:begin", "setup:unfinished", .. Enumerable.Range(0, Lines).Select(i => $"out:{i}"), $"err:{new string('k', Lines)}"], await scene.MessagesAsync());
        }
        else
        {
            Assert.Equal(await scene.UndisturbedAsync(), stored);
        }
    }

    private static void AssertWhole(LogSummary summary, string stored, IReadOnlyList<LogLine> lines)
    {
        Assert.Equal(summary.Lines, lines.Count);
        Assert.Equal(Enumerable.Range(1, lines.Count).Select(number => (long)number), lines.Select(line => line.N));
        Assert.Equal(summary.Bytes, Encoding.UTF8.GetByteCount(stored));
        Assert.Equal(summary.Sha256, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(stored))));
        Assert.True(summary.Sealed);
    }
}
