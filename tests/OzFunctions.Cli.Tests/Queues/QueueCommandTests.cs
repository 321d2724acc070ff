using OzFunctions.Cli.CommandLine;
using OzFunctions.DeadLetters;

namespace OzFunctions.Cli.Tests.Queues;

public sealed class QueueCommandTests : IDisposable
{
    private readonly OzfRig _ozf = new();

    public void Dispose() => _ozf.Dispose();

    [Fact]
    public async Task A_message_is_put_on_the_queue_as_it_stands()
    {
        var answer = (await _ozf.RunAsync(["queue", "send", "--file", "-", "--output", "json"], "any bytes")).Ends(ExitCodes.Success);

        await using var store = _ozf.Open();
        var message = await store.Requests.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.Zero, TestContext.Current.CancellationToken);
        Assert.Equal("any bytes"u8.ToArray(), message!.Body.ToArray());
        Assert.Equal($$"""{"queue":"oz-requests","message_id":"{{message.MessageId}}"}""", answer.Line);
    }

    [Fact]
    public async Task A_bad_message_is_a_dead_letter_that_can_be_mended_and_sent_again()
    {
        var id = await BuryAsync("""{"prompt":"x","bogus":1}""");

        var shown = (await _ozf.RunAsync("dead-letters", "show", id, "--output", "json")).Ends(ExitCodes.Success).Json;
        Assert.Equal(("invalid_request", "bogus"), (shown.GetProperty("reason").GetString(), shown.GetProperty("faults")[0].GetProperty("path").GetString()));
        Assert.Contains("bogus", (await _ozf.RunAsync("dead-letters", "list")).Ends(ExitCodes.Success).Output, StringComparison.Ordinal);

        (await _ozf.RunAsync(["dead-letters", "requeue", id, "--file", "-"], """{"prompt":"mended"}""")).Ends(ExitCodes.Success);
        await ConsumeAsync();

        Assert.Empty((await _ozf.RunAsync("dead-letters", "list", "--output", "json")).Json.GetProperty("dead_letters").EnumerateArray());
        Assert.Single((await _ozf.RunAsync("runs", "list", "--output", "json")).Json.GetProperty("runs").EnumerateArray());
    }

    [Fact]
    public async Task A_dead_letter_that_is_put_back_twice_because_the_first_was_killed_before_its_removal_starts_one_run()
    {
        var id = await BuryAsync("no json");
        DeadLetter letter;
        await using (var store = _ozf.Open())
        {
            letter = (await store.Core.DeadLetters.FindAsync(id, TestContext.Current.CancellationToken))!;
        }

        await RequeueAsync();
        await using (var store = _ozf.Open())
        {
            await store.Core.DeadLetters.AddAsync(letter, mayBeThere: false, TestContext.Current.CancellationToken);
        }

        await RequeueAsync();

        Assert.Single((await _ozf.RunAsync("runs", "list", "--output", "json")).Json.GetProperty("runs").EnumerateArray());

        async Task RequeueAsync()
        {
            (await _ozf.RunAsync(["dead-letters", "requeue", id, "--file", "-"], """{"prompt":"mended"}""")).Ends(ExitCodes.Success);
            await ConsumeAsync();
        }
    }

    [Fact]
    public async Task Purged_dead_letters_are_gone()
    {
        var id = await BuryAsync("no json");
        await BuryAsync("no json either");

        Assert.Equal($$"""{"purged":["{{id}}"]}""", (await _ozf.RunAsync("dead-letters", "purge", id, "--output", "json")).Ends(ExitCodes.Success).Line);
        Assert.Equal("1 dead letter purged.", (await _ozf.RunAsync("dead-letters", "purge", "--all")).Ends(ExitCodes.Success).Line);
        (await _ozf.RunAsync("dead-letters", "show", id)).Ends(ExitCodes.Usage);
        (await _ozf.RunAsync("dead-letters", "purge")).Ends(ExitCodes.Usage);
    }

    private async Task<string> BuryAsync(string body)
    {
        (await _ozf.RunAsync(["queue", "send", "--file", "-"], body)).Ends(ExitCodes.Success);
        await ConsumeAsync();
        return (await _ozf.RunAsync("dead-letters", "list", "--output", "json")).Json.GetProperty("dead_letters")[0].GetProperty("id").GetString()!;
    }

    private async Task ConsumeAsync()
    {
        await using var store = _ozf.Open();
        Assert.True(await store.Core.CreateConsumer(store.Requests).ConsumeOneAsync(TimeSpan.Zero, TestContext.Current.CancellationToken));
    }
}
