using OzFunctions.Blobs;
using OzFunctions.Direct.Logs;
using OzFunctions.Logs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Logs;

public sealed class LogCapTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 180_000)]
    public async Task A_log_that_just_fits_is_not_cut()
    {
        var full = await RunAsync(lines: 200, cap: 1 << 20);
        var bytes = full.Stored.Length;

        // Both halves are filled with whole lines, so one line's length may stay unused in the middle.
        var fits = await RunAsync(200, bytes + 200);

        Assert.Equal(full.Messages, fits.Messages);
        Assert.Equal(0, fits.Summary.CutBytes);
    }

    [Theory(Timeout = 180_000)]
    [InlineData(2_000)]
    [InlineData(10_000)]
    [InlineData(100_000)]
    public async Task Beyond_the_cap_the_middle_is_left_out_and_counted(int cap)
    {
        const int Lines = 20_000;

        var (stored, messages, lines, summary, seen) = await RunAsync(Lines, cap);

        Assert.InRange(stored.Length, (cap * 95 / 100) - 200, cap + 100); // the cut line itself comes on top
        Assert.Equal(Enumerable.Range(1, lines.Count).Select(n => (long)n), lines.Select(line => line.N));
        var cut = Assert.Single(lines, line => line.Cut is not null);
        var before = (int)cut.N - 1;
        var after = lines.Count - (int)cut.N;
        Assert.Equal(Enumerable.Range(0, before).Select(i => $"out:line {i}"), messages.Take(before));
        Assert.Equal(Enumerable.Range(Lines - after, after).Select(i => $"out:line {i}"), messages.Skip(before + 1));
        Assert.Equal(Lines, before + after + cut.Cut!.Lines);
        Assert.Equal(Enumerable.Range(before, Lines - before - after).Sum(i => $"line {i}\n".Length), cut.Cut.Bytes);
        Assert.Equal(cut.Cut.Bytes, summary.CutBytes);
        Assert.Equal(Lines, seen);
        Assert.Contains($"{{\"n\":{cut.N},\"s\":\"host\",\"cut\":{{\"lines\":{cut.Cut.Lines},\"bytes\":{cut.Cut.Bytes}}}}}\n", stored, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task What_the_spool_itself_could_not_keep_is_counted_too()
    {
        const int Lines = 50_000;

        var (_, messages, lines, summary, _) = await RunAsync(Lines, cap: 20_000, spoolBytes: 256 << 10);

        var cut = Assert.Single(lines, line => line.Cut is not null);
        Assert.Equal("out:line 0", messages[0]);
        Assert.Equal($"out:line {Lines - 1}", messages[^1]);
        Assert.InRange(lines.Count - 1 + cut.Cut!.Lines, Lines - 1, Lines + 1);
        Assert.Equal(cut.Cut.Bytes, summary.CutBytes);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_outage_longer_than_the_spool_leaves_a_counted_gap()
    {
        const int Lines = 50_000;
        await using var scene = new LogScene(spoolBytes: 64 << 10);
        scene.Options = scene.Options with { BatchBytes = 4000 };
        var away = true;
        scene.BeforeAppend = _ => Volatile.Read(ref away) ? LogScene.Away : null;
        await using var log = scene.Open();
        for (var i = 0; i < Lines; i += 10)
        {
            scene.Session.Write(SpoolStream.AgentOut, string.Concat(Enumerable.Range(i, 10).Select(number => $"line {number}\n")));
        }

        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
        Volatile.Write(ref away, false);
        var summary = await log.SealAsync(Cancellation);

        var lines = await scene.LinesAsync();
        var cut = Assert.Single(lines, line => line.Cut is not null);
        Assert.Equal(Lines, lines.Count - 1 + cut.Cut!.Lines);
        Assert.Equal(Enumerable.Range(0, Lines).Sum(i => $"line {i}\n".Length), lines.Sum(line => line.Cut is null ? line.Text.Length + 1 : line.Cut.Bytes));
        Assert.Equal(cut.Cut.Bytes, summary.CutBytes);
        Assert.Equal(lines.Count, summary.Lines);
        Assert.Equal(lines.Count, lines[^1].N);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_log_of_more_appends_than_a_blob_takes_gets_the_rest_at_its_end_and_is_sealed()
    {
        const int Lines = 100;
        await using var scene = new LogScene();
        scene.Options = scene.Options with { MostAppends = 15 };
        scene.BeforeAppend = number => number > 20 ? new BlobStoreException("409 BlockCountExceedsLimit", isTransient: false, null) : null;
        await using var log = scene.Open();
        for (var i = 0; i < Lines; i++)
        {
            log.AddHostLine($"line {i}");
            await log.FlushAsync(Cancellation);
        }

        Assert.Equal(15, (await scene.LinesAsync()).Count);
        var summary = await log.SealAsync(Cancellation);

        Assert.Equal(Enumerable.Range(0, Lines).Select(i => $"host:line {i}"), await scene.MessagesAsync());
        Assert.Equal((true, 0L, Lines), (summary.Sealed, summary.CutBytes, (int)summary.Lines));
    }

    /// <summary>A blob takes 50,000 appends, and a tail may be as large as the limit of the log.</summary>
    [Fact(Timeout = 180_000)]
    public async Task A_large_tail_goes_in_pieces_as_large_as_the_appends_that_are_left_for_it_demand()
    {
        const int Lines = 200;
        await using var scene = new LogScene();
        scene.Options = scene.Options with { MostAppends = 5, TailAppends = 4, BatchBytes = 16, Cap = 100_000 };
        var appends = 0;
        scene.BeforeAppend = number =>
        {
            appends = number;
            return null;
        };
        await using var log = scene.Open();
        for (var i = 0; i < Lines; i++)
        {
            log.AddHostLine($"line {i}");
        }

        var summary = await log.SealAsync(Cancellation);

        Assert.Equal(Enumerable.Range(0, Lines).Select(i => $"host:line {i}"), await scene.MessagesAsync());
        Assert.Equal((true, 0L), (summary.Sealed, summary.CutBytes));
        Assert.InRange(appends, 1, 5 + 4 + 1);
    }

    private static async Task<(string Stored, IReadOnlyList<string> Messages, IReadOnlyList<LogLine> Lines, Runs.LogSummary Summary, int Seen)> RunAsync(int lines, int cap, long spoolBytes = 256 << 20)
    {
        await using var scene = new LogScene(spoolBytes);
        scene.Options = scene.Options with { Cap = cap };
        await using var log = scene.Open();
        for (var i = 0; i < lines; i += 10)
        {
            scene.Session.Write(SpoolStream.AgentOut, string.Concat(Enumerable.Range(i, 10).Select(number => $"line {number}\n")));
        }

        scene.Session.End(ShimPhase.Agent);
        await log.FollowAsync(scene.Session, ShimPhase.Agent, Cancellation);
        var summary = await log.SealAsync(Cancellation);
        return (await scene.StoredAsync(), await scene.MessagesAsync(), await scene.LinesAsync(), summary, scene.Seen.Count);
    }
}
