using System.Text;
using OzFunctions.Logs;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Logs;

public sealed class RunLogsTests
{
    private readonly InMemoryBlobStore _blobs = new(TimeProvider.System);
    private readonly RunId _runId = RunId.Create(TimeProvider.System);
    private RunProgress _progress = new(1, GoesOn: false);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 180_000)]
    public async Task Lines_are_read_with_all_that_they_say()
    {
        await AppendAsync(1, """
            {"n":1,"t":"2026-03-04T05:06:07.089Z","s":"out","m":"a\u001bb","c":true}
            {"n":2,"s":"host","cut":{"lines":3,"bytes":40},"new":[1]}
            oops

            """);

        var lines = await ReadAsync(new());

        Assert.Equal(
            [
                new LogLine { Attempt = 1, N = 1, Time = new DateTimeOffset(2026, 3, 4, 5, 6, 7, 89, TimeSpan.Zero), Source = "out", Text = "a\u001bb", IsContinued = true },
                new LogLine { Attempt = 1, N = 2, Source = "host", Text = "", Cut = new LogCut(3, 40) },
                new LogLine { Attempt = 1, N = 0, Source = "host", Text = "oops" },
            ],
            lines);
    }

    [Fact(Timeout = 180_000)]
    public async Task All_attempts_follow_each_other_and_one_may_have_no_log()
    {
        _progress = new(11, GoesOn: false);
        await AppendAsync(1, Line(1, "first"));
        await AppendAsync(2, Line(1, "second"));
        await AppendAsync(11, Line(1, "eleventh"));

        Assert.Equal(["1:first", "2:second", "11:eleventh"], Texts(await ReadAsync(new())));
        Assert.Equal(["2:second"], Texts(await ReadAsync(new() { Attempt = 2 })));
    }

    [Fact(Timeout = 180_000)]
    public async Task Reading_begins_at_the_line_asked_for()
    {
        _progress = new(2, GoesOn: false);
        await AppendAsync(1, string.Concat(Enumerable.Range(1, 100).Select(n => Line(n, $"{n}"))));
        await AppendAsync(2, Line(1, "next"));

        Assert.Equal(["1:99", "1:100", "2:next"], Texts(await ReadAsync(new() { From = 99 })));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(3, "1:oops 1:3 1:4 1:ouch 1:5")]
    [InlineData(4, "1:4 1:ouch 1:5")]
    [InlineData(5, "1:ouch 1:5")]
    public async Task Damaged_lines_before_the_one_asked_for_do_not_bring_the_others_back(long from, string expected)
    {
        await AppendAsync(1, Line(1, "1") + Line(2, "2") + "oops\n" + Line(3, "3") + Line(4, "4") + "ouch\n" + Line(5, "5"));

        Assert.Equal(expected.Split(' '), Texts(await ReadAsync(new() { From = from })));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_run_without_a_log_has_no_lines()
    {
        Assert.Empty(await ReadAsync(new()));
        Assert.Empty(await ReadAsync(new() { Follow = true }));
    }

    [Fact(Timeout = 180_000)]
    public async Task Half_a_line_waits_for_its_rest()
    {
        _progress = new(1, GoesOn: true);
        var line = Line(1, "grün");
        var cut = line.IndexOf('ü', StringComparison.Ordinal);
        await AppendAsync(1, line[..cut]);
        await using var lines = Follow();

        var next = lines.MoveNextAsync();
        Assert.False(next.IsCompleted);
        await AppendAsync(1, line[cut..]);

        Assert.True(await next);
        Assert.Equal("grün", lines.Current.Text);
    }

    [Fact(Timeout = 180_000)]
    public async Task Following_goes_on_over_attempts_until_the_run_is_over()
    {
        _progress = new(0, GoesOn: true);
        await using var lines = Follow();
        var next = lines.MoveNextAsync();
        _progress = new(1, GoesOn: true);
        await AppendAsync(1, Line(1, "one"));
        Assert.True(await next);
        Assert.Equal("one", lines.Current.Text);

        next = lines.MoveNextAsync();
        _progress = new(2, GoesOn: true);
        await AppendAsync(2, Line(1, "two"));
        Assert.True(await next);
        Assert.Equal("two", lines.Current.Text);

        next = lines.MoveNextAsync();
        await AppendAsync(2, Line(2, "last"));
        _progress = new(2, GoesOn: false);
        Assert.True(await next);
        Assert.Equal("last", lines.Current.Text);
        Assert.False(await lines.MoveNextAsync());
    }

    [Fact(Timeout = 180_000)]
    public async Task The_raw_log_is_what_is_stored()
    {
        var text = string.Concat(Enumerable.Range(1, 40_000).Select(n => Line(n, new string('x', 40))));
        await AppendAsync(1, text);

        var raw = new MemoryStream();
        await foreach (var chunk in Logs().ReadRawAsync(Query(new()), Cancellation))
        {
            Assert.Equal((byte)'\n', chunk.Lines.Span[^1]);
            raw.Write(chunk.Lines.Span);
        }

        Assert.Equal(text, Encoding.UTF8.GetString(raw.ToArray()));
    }

    private static string Line(int n, string text) => $$"""{"n":{{n}},"t":"2026-03-04T05:06:07.089Z","s":"out","m":"{{text}}"}""" + "\n";

    private static IEnumerable<string> Texts(IEnumerable<LogLine> lines) => lines.Select(line => $"{line.Attempt}:{line.Text}");

    private RunLogs Logs() => new(_blobs, TimeProvider.System);

    private RunLogQuery Query(Options options) => new()
    {
        RunId = _runId,
        Progress = _ => Task.FromResult(_progress),
        Attempt = options.Attempt,
        From = options.From,
        Follow = options.Follow,
        PollEvery = TimeSpan.FromMilliseconds(1),
        AskEvery = TimeSpan.Zero,
    };

    private async Task<List<LogLine>> ReadAsync(Options options)
    {
        var lines = new List<LogLine>();
        await foreach (var line in Logs().ReadAsync(Query(options), Cancellation))
        {
            lines.Add(line);
        }

        return lines;
    }

    private IAsyncEnumerator<LogLine> Follow() => Logs().ReadAsync(Query(new() { Follow = true }), Cancellation).GetAsyncEnumerator(Cancellation);

    private async Task AppendAsync(int attempt, string text)
    {
        var name = RunLogs.NameOf(_runId, attempt);
        Assert.True(await _blobs.TryAppendAsync(name, (await _blobs.FindEntryAsync(name, Cancellation))?.Length ?? 0, Encoding.UTF8.GetBytes(text.ReplaceLineEndings("\n")), Cancellation));
    }

    private sealed record Options
    {
        public int? Attempt { get; init; }

        public long From { get; init; } = 1;

        public bool Follow { get; init; }
    }
}
