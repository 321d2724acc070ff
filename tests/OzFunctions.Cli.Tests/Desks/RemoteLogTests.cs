using System.Text;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Desks;

/// <summary>A log over a way that fails: no line twice, none lost, wherever it is cut.</summary>
public sealed class RemoteLogTests
{
    private const int Limit = 180_000;

    /// <summary>As a front door sends them, with two damaged lines, which have no id, and a sign of life.</summary>
    private static readonly string[] Events =
    [
        Event(1, 1), "data: first damaged\n\n", "data: second damaged\n\n", ": alive\n\n", Event(1, 2), Event(2, 1), "data: third damaged\n\n", Event(2, 2),
        "event: end\ndata: {\"run_id\":\"r\",\"state\":\"SUCCEEDED\"}\n\n",
    ];

    private static readonly string[] Lines =
        ["1 {\"n\":1,\"m\":\"a\"}", "1 first damaged", "1 second damaged", "1 {\"n\":2,\"m\":\"a\"}", "2 {\"n\":1,\"m\":\"a\"}", "2 third damaged", "2 {\"n\":2,\"m\":\"a\"}"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = Limit)]
    [InlineData(0, 1)]
    [InlineData(7, 1)]
    [InlineData(12, 1)]
    [InlineData(0, 2)]
    [InlineData(7, 2)]
    [InlineData(0, 3)]
    [InlineData(7, 3)]
    public async Task Each_line_comes_once_when_every_connection_is_cut_after_some_events(int bytesOfTheNext, int news)
    {
        await using var door = new HttpReceiver();
        var (had, connections) = (0, 0);
        door.Whole = request =>
        {
            // What the client had stands before the first event that is new to it: one more each time, or it would never come to an end.
            connections++;
            var from = StartAfter(request.Headers.GetValueOrDefault("Last-Event-ID"));
            had = Math.Min(Math.Max(had, from) + news, Events.Length);
            var rest = had < Events.Length ? Events[had][..Math.Min(bytesOfTheNext, Events[had].Length - 1)] : "";
            return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 1000\n\n" + string.Concat(Events[from..had]) + rest;
        };

        Assert.Equal(Lines, await ReadAsync(door, new Hasty()));
        Assert.True(connections >= Events.Length / news, $"{connections} connections");
    }

    [Theory(Timeout = Limit)]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(507)]
    [InlineData(520)]
    public async Task A_front_door_that_fails_is_asked_again_and_one_that_fails_for_long_is_given_up(int status)
    {
        await using var door = new HttpReceiver();
        var time = new Hasty();
        var asked = 0;
        door.Whole = _ => asked++ switch
        {
            0 => $"HTTP/1.1 {status} It fails\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            1 => "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + Events[0],
            _ => $"HTTP/1.1 {status} It fails\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        };

        var lines = new List<string>();
        var given = await Assert.ThrowsAsync<CommandException>(() => ReadAsync(door, time, lines));

        Assert.Equal(ExitCodes.Unavailable, given.ExitCode);
        Assert.Equal(Lines[..1], lines);
        Assert.True(asked > 100, $"Asked {asked} times in two minutes.");
    }

    [Fact(Timeout = Limit)]
    public async Task A_front_door_that_begins_to_answer_each_time_and_never_sends_a_line_is_given_up()
    {
        await using var door = new HttpReceiver();
        var asked = 0;
        door.Whole = _ =>
        {
            asked++;
            return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 1000\n\n";
        };

        var given = await Assert.ThrowsAsync<CommandException>(() => ReadAsync(door, new Hasty()));

        Assert.Equal(ExitCodes.Unavailable, given.ExitCode);
        Assert.True(asked > 100, $"Asked {asked} times in two minutes.");
    }

    [Fact(Timeout = Limit)]
    public async Task A_cut_after_a_long_silence_is_no_long_absence()
    {
        await using var door = new HttpReceiver();
        var time = new Hasty();
        var asked = 0;
        door.Whole = _ =>
        {
            time.Pass(TimeSpan.FromMinutes(10));
            return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + (asked++ < 3 ? ": alive\n\n" : string.Concat(Events));
        };

        Assert.Equal(Lines, await ReadAsync(door, time));
    }

    [Fact(Timeout = Limit)]
    public async Task A_way_that_is_quiet_without_a_sign_of_life_is_taken_for_cut()
    {
        await using var door = new HttpReceiver();
        var time = new ManualTimeProvider();
        door.Answer = _ =>
        {
            // To this one no answer ever comes, to the next all.
            door.Whole = _ => "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + string.Concat(Events);
            return null;
        };
        var reading = ReadAsync(door, time);
        await door.NextAsync(Cancellation);
        time.Advance(TimeSpan.FromMinutes(1));
        await time.TimerArmedAsync(1, Cancellation);
        time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(Lines, await reading);
    }

    private static async Task<List<string>> ReadAsync(HttpReceiver door, TimeProvider time, List<string>? lines = null)
    {
        lines ??= [];
        using var calls = new RemoteCalls(new(door.Url.GetLeftPart(UriPartial.Authority)), "key", time);
        await foreach (var chunk in new RemoteLog(calls, time).ReadAsync(RunId.Create(TimeProvider.System), null, follow: true, Cancellation))
        {
            lines.Add($"{chunk.Attempt} {Encoding.UTF8.GetString(chunk.Lines.Span).TrimEnd('\n')}");
        }

        return lines;
    }

    private static string Event(int attempt, int n) => $"id: {attempt}-{n}\ndata: {{\"attempt\":{attempt},\"n\":{n},\"m\":\"a\"}}\n\n";

    private static int StartAfter(string? id) => id is null ? 0 : Array.FindIndex(Events, text => text.StartsWith($"id: {id}\n", StringComparison.Ordinal)) + 1;

    /// <summary>A clock on which pauses of a second or so are over at once, and have passed; longer ones never end.</summary>
    private sealed class Hasty : TimeProvider
    {
        private long _passed;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _passed);

        public void Pass(TimeSpan time) => Interlocked.Add(ref _passed, time.Ticks);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime > TimeSpan.FromSeconds(2) || dueTime < TimeSpan.Zero)
            {
                return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }

            Pass(dueTime);
            return System.CreateTimer(callback, state, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }
}
