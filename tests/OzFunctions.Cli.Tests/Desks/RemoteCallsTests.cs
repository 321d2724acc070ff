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

        var asking = calls.OpenOnceAsync(HttpMethod.Post, "agent/runs/r/retry", "{}"u8.ToArray(), Cancellation);
        await door.NextAsync(Cancellation);
        Assert.False(asking.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(100));

        var given = await Assert.ThrowsAsync<CommandException>(() => asking);
        Assert.Equal(ExitCodes.Unavailable, given.ExitCode);
        Assert.Contains("no answer", given.Message, StringComparison.Ordinal);
        Assert.Single(door.Requests);
    }
}
