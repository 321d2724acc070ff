using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Desks;

public sealed class RemoteCallsTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_front_door_that_takes_a_call_and_never_answers_is_given_up()
    {
        await using var door = new HttpReceiver { Answer = _ => null };
        var time = new ManualTimeProvider();
        using var calls = new RemoteCalls(new(door.Url.GetLeftPart(UriPartial.Authority)), "key", time);

        var asking = calls.PostOnceAsync("agent/runs/r/retry", "{}"u8.ToArray(), Cancellation);
        await door.NextAsync(Cancellation);
        Assert.False(asking.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(100));

        var given = await Assert.ThrowsAsync<CommandException>(() => asking);
        Assert.Equal(ExitCodes.Unavailable, given.ExitCode);
        Assert.Contains("no answer", given.Message, StringComparison.Ordinal);
        Assert.Single(door.Requests);
    }

    [Fact(Timeout = Limit)]
    public async Task An_answer_that_stops_in_the_middle_is_given_up_and_not_asked_for_again()
    {
        await using var door = new HttpReceiver { Whole = _ => "HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n{\"run_id\":", HoldsOpen = true };
        var time = new ManualTimeProvider();
        using var calls = new RemoteCalls(new(door.Url.GetLeftPart(UriPartial.Authority)), "key", time);

        var asking = calls.PostOnceAsync("agent/runs/r/retry", "{}"u8.ToArray(), Cancellation);
        await door.NextAsync(Cancellation);
        time.Advance(TimeSpan.FromSeconds(100));

        Assert.Equal(ExitCodes.Unavailable, (await Assert.ThrowsAsync<CommandException>(() => asking)).ExitCode);
        Assert.Single(door.Requests);
    }

    [Fact(Timeout = Limit)]
    public async Task Content_that_stops_coming_is_given_up_after_a_minute_of_silence()
    {
        await using var door = new HttpReceiver { Whole = _ => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", HoldsOpen = true };
        var time = new ManualTimeProvider();
        using var calls = new RemoteCalls(new(door.Url.GetLeftPart(UriPartial.Authority)), "key", time);
        await using var content = (await calls.OpenContentAsync("agent/runs/r/artifacts/a", Cancellation))!;
        var buffer = new byte[100];
        await content.ReadExactlyAsync(buffer.AsMemory(0, 4), Cancellation);

        var reading = content.ReadAsync(buffer, Cancellation).AsTask();
        time.Advance(TimeSpan.FromSeconds(59));
        Assert.False(reading.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));

        Assert.Contains("nothing more came", (await Assert.ThrowsAsync<CommandException>(() => reading)).Message, StringComparison.Ordinal);
    }
}
