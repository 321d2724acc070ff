using System.Text;
using System.Text.Json;
using OzFunctions.Direct.Logs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Logs;

public sealed class LogRenderingTests
{
    private static readonly DateTimeOffset Time = new(2026, 3, 4, 5, 6, 7, 89, TimeSpan.Zero);

    [Fact]
    public void A_line_is_this_json() => Assert.Equal(
        """
        {"n":1,"t":"2026-03-04T05:06:07.089Z","s":"out","m":"hello"}
        {"n":2,"t":"2026-03-04T05:06:07.089Z","s":"err","m":"say \"\\\" \t\u001b[1m \u0000\u007f grün 🐸"}

        """,
        Render((SpoolStream.AgentOut, "hello\n"), (SpoolStream.AgentErr, "say \"\\\" \t\u001b[1m \0\u007f grün 🐸\n")));

    [Theory]
    [InlineData(SpoolStream.SetupOut, "setup")]
    [InlineData(SpoolStream.SetupErr, "setup")]
    [InlineData(SpoolStream.AgentOut, "out")]
    [InlineData(SpoolStream.AgentErr, "err")]
    [InlineData(SpoolStream.ChangesErr, "host")]
    [InlineData(SpoolStream.TeardownOut, "teardown")]
    [InlineData(SpoolStream.TeardownErr, "teardown")]
    [InlineData(SpoolStream.Shim, "host")]
    [InlineData(SpoolStream.Host, "host")]
    public void Streams_have_these_names(SpoolStream stream, string name) => Assert.Contains($"\"s\":\"{name}\"", Render((stream, "x\n")), StringComparison.Ordinal);

    [Fact]
    public void Lines_are_joined_per_stream() =>
        Assert.Equal(["err:uno", "out:one two", "err:dos", "out:three"], Messages((SpoolStream.AgentOut, "one "), (SpoolStream.AgentErr, "uno\n"), (SpoolStream.AgentErr, "d"), (SpoolStream.AgentOut, "two\nth"), (SpoolStream.AgentErr, "os\n"), (SpoolStream.AgentOut, "ree\n")));

    [Fact]
    public void The_time_of_a_line_is_that_of_its_first_piece()
    {
        var batch = new LogBatch();
        batch.Start(new LogState { HeadEnd = 0 }, 0, long.MaxValue);
        var renderer = new LogRenderer(new PassingFilter(), batch, 100, RenderState.Empty);

        renderer.Add(new LogPiece(SpoolStream.AgentOut, Time, "a"u8.ToArray()));
        renderer.Add(new LogPiece(SpoolStream.AgentOut, Time.AddSeconds(5), "b\nc\n"u8.ToArray()));

        var lines = Encoding.UTF8.GetString(batch.Content.Span).Split('\n');
        Assert.Contains("05:06:07.089Z", lines[0], StringComparison.Ordinal);
        Assert.Contains("05:06:12.089Z", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Empty_lines_are_lines() => Assert.Equal(["out:", "out:", "out:x"], Messages((SpoolStream.AgentOut, "\n\r\nx\n")));

    [Fact]
    public void A_carriage_return_belongs_to_the_line_end_only_before_a_line_feed() =>
        Assert.Equal(["out:a", "out:b\rc", "out:d\r"], Messages((SpoolStream.AgentOut, "a\r"), (SpoolStream.AgentOut, "\nb\rc\r\nd\r")));

    [Fact]
    public void An_unfinished_line_ends_when_a_later_phase_begins() =>
        Assert.Equal(["setup:half", "out:x"], Messages((SpoolStream.SetupOut, "half"), (SpoolStream.AgentOut, "x\n")));

    [Fact]
    public void Bytes_that_are_not_utf8_are_replaced() =>
        Assert.Equal(["out:a\uFFFDb\uFFFD\uFFFD"], Messages((SpoolStream.AgentOut, [(byte)'a', 0xff, (byte)'b', 0xc3, 0xe2, 0x82, (byte)'\n'])));

    [Fact]
    public void A_character_split_over_pieces_is_whole() =>
        Assert.Equal(["out:🐸"], Messages((SpoolStream.AgentOut, [0xf0, 0x9f]), (SpoolStream.AgentOut, [0x90]), (SpoolStream.AgentOut, [0xb8, (byte)'\n'])));

    [Fact]
    public void Half_an_escape_sequence_stays_in_its_line() => Assert.Equal(["out:\u001b[3", "out:1m"], Messages((SpoolStream.AgentOut, "\u001b[3\n1m\n")));

    [Fact]
    public void A_sentence_of_the_shim_needs_no_line_feed() =>
        Assert.Equal(["host:stopped", "host:again"], Messages((SpoolStream.Shim, "stopped"), (SpoolStream.Shim, "again\n")));

    [Fact]
    public void A_long_line_is_split_and_never_inside_a_character()
    {
        var text = string.Concat(Enumerable.Repeat("äöü€🐸x", 80_000));

        var lines = Parse(Render((SpoolStream.AgentOut, text + "\n")));

        Assert.Equal(text, string.Concat(lines.Select(line => line.GetProperty("m").GetString())));
        Assert.All(lines.SkipLast(1), line => Assert.True(line.GetProperty("c").GetBoolean()));
        Assert.False(lines[^1].TryGetProperty("c", out _));
        Assert.All(lines.SkipLast(1), line => Assert.InRange(Encoding.UTF8.GetByteCount(line.GetProperty("m").GetString()!), (32 << 10) - 3, 32 << 10));
        Assert.Equal(Enumerable.Range(1, lines.Count), lines.Select(line => line.GetProperty("n").GetInt32()));
    }

    [Theory]
    [InlineData("0123456789abcdef\n")]
    [InlineData("0123456789abcdef\r\n")]
    public void A_line_as_long_as_the_limit_is_not_split(string text) => Assert.Equal(["out:0123456789abcdef"], Cut([.. Encoding.UTF8.GetBytes(text)], 3));

    [Fact]
    public void Where_pieces_are_cut_makes_no_difference()
    {
        byte[] bytes = [.. "one\r\n\n0123456789abcdef\r\n0123456789abcdefg\r\n0123456789abcdef\rx\n01234567890123€€€€€🐸🐸🐸🐸🐸🐸\n"u8, 0xff, 0xc3, (byte)'\n', 0, 27, (byte)'[', (byte)'\r', (byte)'\n', .. "€end\r"u8];
        var whole = Cut(bytes, bytes.Length);
        Assert.Equal(14, whole.Count);

        for (var size = 1; size < bytes.Length; size++)
        {
            Assert.Equal(whole, Cut(bytes, size));
            Assert.Equal(whole, Messages(16, (SpoolStream.AgentOut, bytes[..size]), (SpoolStream.AgentOut, bytes[size..])));
        }
    }

    [Fact]
    public void A_renderer_goes_on_where_another_was_saved()
    {
        (SpoolStream, byte[])[] pieces = [(SpoolStream.AgentOut, "a"u8.ToArray()), (SpoolStream.AgentErr, "err1\nerr"u8.ToArray()), (SpoolStream.AgentOut, "b\nc"u8.ToArray()), (SpoolStream.AgentErr, "2\n"u8.ToArray()), (SpoolStream.TeardownOut, "t"u8.ToArray())];
        var whole = Messages(pieces);

        for (var at = 0; at <= pieces.Length; at++)
        {
            var first = new LogBatch();
            first.Start(new LogState { HeadEnd = 0 }, 0, long.MaxValue);
            var renderer = new LogRenderer(new PassingFilter(), first, 16, RenderState.Empty);
            Add(renderer, pieces[..at]);
            var second = new LogBatch();
            second.Start(new LogState { HeadEnd = 0, N = first.N }, 0, long.MaxValue);
            var next = new LogRenderer(new PassingFilter(), second, 16, renderer.Save());
            Add(next, pieces[at..]);
            next.Add(new LogPiece { EndsPhase = LogPhases.All });

            Assert.Equal(whole, Messages(Encoding.UTF8.GetString(first.Content.Span) + Encoding.UTF8.GetString(second.Content.Span)));
        }
    }

    [Fact]
    public void What_is_left_of_a_line_behind_a_gap_is_not_shown()
    {
        // Its beginning is lost, and with it what a masker would have known a secret by.
        LogPiece[] pieces =
        [
            new(SpoolStream.AgentOut, Time, "whole\ntoken: FIRST"u8.ToArray()),
            new(SpoolStream.AgentOut, Time, "-sec"u8.ToArray()) { CutLines = 2, CutBytes = 20 },
            new(SpoolStream.AgentOut, Time, "ond\nnext\n"u8.ToArray()),
            new(SpoolStream.AgentErr, Time, "half\nerr\n"u8.ToArray()),
            new(SpoolStream.AgentOut, Time, "on\n"u8.ToArray()),
            new(SpoolStream.TeardownErr, Time, "torn down\n"u8.ToArray()),
            new() { EndsPhase = LogPhases.All },
        ];

        for (var at = 0; at <= pieces.Length; at++)
        {
            var first = new LogBatch();
            first.Start(new LogState { HeadEnd = 0 }, 0, long.MaxValue);
            var renderer = new LogRenderer(new PassingFilter(), first, 100, RenderState.Empty);
            Array.ForEach(pieces[..at], renderer.Add);
            var second = new LogBatch();
            second.Start(new LogState { HeadEnd = 0, N = first.N, CutBytes = first.CutBytes }, 0, long.MaxValue);
            var next = new LogRenderer(new PassingFilter(), second, 100, renderer.Save());
            Array.ForEach(pieces[at..], next.Add);

            var lines = Parse(Encoding.UTF8.GetString(first.Content.Span) + Encoding.UTF8.GetString(second.Content.Span));
            Assert.Equal(["whole", """{"lines":3,"bytes":40}""", "next", """{"lines":1,"bytes":5}""", "err", "on", "torn down"], lines.Select(line => line.TryGetProperty("cut", out var cut) ? cut.GetRawText() : line.GetProperty("m").GetString()));
            Assert.Equal(45, second.CutBytes);
        }
    }

    private static IReadOnlyList<string> Cut(byte[] bytes, int size) => Messages(16, [.. bytes.Chunk(size).Select(chunk => (SpoolStream.AgentOut, chunk))]);

    private static IReadOnlyList<string> Messages(params (SpoolStream, string)[] pieces) => Messages(Render(pieces));

    private static IReadOnlyList<string> Messages(params (SpoolStream, byte[])[] pieces) => Messages(Render(32 << 10, pieces));

    private static IReadOnlyList<string> Messages(int longest, params (SpoolStream, byte[])[] pieces) => Messages(Render(longest, pieces));

    private static IReadOnlyList<string> Messages(string log) => [.. Parse(log).Select(line => $"{line.GetProperty("s")}:{line.GetProperty("m").GetString()}")];

    private static List<JsonElement> Parse(string log) => [.. log.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    private static string Render(params (SpoolStream Stream, string Text)[] pieces) => Render(32 << 10, [.. pieces.Select(piece => (piece.Stream, Encoding.UTF8.GetBytes(piece.Text)))]);

    private static string Render(int longest, (SpoolStream, byte[])[] pieces)
    {
        var batch = new LogBatch();
        batch.Start(new LogState { HeadEnd = 0 }, 0, long.MaxValue);
        var renderer = new LogRenderer(new PassingFilter(), batch, longest, RenderState.Empty);
        Add(renderer, pieces);
        renderer.Add(new LogPiece { EndsPhase = LogPhases.All });
        return Encoding.UTF8.GetString(batch.Content.Span);
    }

    private static void Add(LogRenderer renderer, (SpoolStream Stream, byte[] Bytes)[] pieces)
    {
        foreach (var (stream, bytes) in pieces)
        {
            renderer.Add(new LogPiece(stream, Time, bytes));
        }
    }
}
