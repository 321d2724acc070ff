using System.Text;
using OzFunctions.Cli.Events;
using OzFunctions.Cli.Stores;
using OzFunctions.Events;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Tests.Events;

public sealed class CommandPublisherTests
{
    private const string Token = "hunter2-hunter2-hunter2";

    [Theory(Timeout = 180_000)]
    [InlineData(null)]
    [InlineData("DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0c2VjcmV0;BlobEndpoint=http://127.0.0.1:1/a;QueueEndpoint=http://127.0.0.1:1/a")]
    public async Task The_data_directory_is_named_only_where_runs_are_in_it(string? storage)
    {
        using var ozf = new OzfRig();
        ozf.Environment["OZF_CONFIG"] = ozf.Write("ozf.yaml", """events: [{name: script, command: 'echo "${OZF_DATA-no directory}"; exit 3'}]""");
        if (storage is not null)
        {
            ozf.Environment["OZF_STORAGE"] = storage;
        }

        var surroundings = ozf.Surround();
        var publisher = Assert.Single(EventPublishers.Create(Settings.Load(null, new(), null, surroundings), surroundings, _ => throw new InvalidOperationException("no queue is configured")));
        var runEvent = new RunEvent("e", RunEvents.CompletedType, RunId.Create(TimeProvider.System), Encoding.UTF8.GetBytes("{}"));

        var refused = await Assert.ThrowsAsync<EventDeliveryException>(() => publisher.PublishAsync(runEvent, TestContext.Current.CancellationToken));

        Assert.EndsWith(storage is null ? ozf.Data : "no directory", refused.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_command_that_could_not_be_started_is_not_said_to_have_taken_too_long()
    {
        using var ozf = new OzfRig();
        var gone = Path.Join(ozf.Surround().Directory, "gone");
        var publisher = new CommandPublisher("script", "exit 0", RunEventKinds.All, new Dictionary<string, string>(), gone, TimeSpan.FromMinutes(2), text => text, TimeProvider.System);
        var runEvent = new RunEvent("e", RunEvents.CompletedType, RunId.Create(TimeProvider.System), Encoding.UTF8.GetBytes("{}"));

        var refused = await Assert.ThrowsAsync<EventDeliveryException>(() => publisher.PublishAsync(runEvent, TestContext.Current.CancellationToken));

        Assert.StartsWith("The command could not be started: ", refused.Message, StringComparison.Ordinal);
        Assert.Contains(gone, refused.Message, StringComparison.Ordinal);
        Assert.Null(refused.Status);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_command_that_takes_too_long_is_ended_and_said_to_have()
    {
        using var ozf = new OzfRig();
        var environment = new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "" };
        var publisher = new CommandPublisher("script", "sleep 600", RunEventKinds.All, environment, ozf.Surround().Directory, TimeSpan.FromSeconds(1), text => text, TimeProvider.System);
        var runEvent = new RunEvent("e", RunEvents.CompletedType, RunId.Create(TimeProvider.System), Encoding.UTF8.GetBytes("{}"));

        var refused = await Assert.ThrowsAsync<EventDeliveryException>(() => publisher.PublishAsync(runEvent, TestContext.Current.CancellationToken));

        Assert.Equal("The command did not end within 1 s and was ended.", refused.Message);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("""printf '%0190d%s\n' 0 "$TOKEN" >&2; exit 3""")]
    [InlineData("""printf '%s%04090d\n' "$TOKEN" 0 >&2; exit 3""")]
    [InlineData("""printf 'first %s%04080d\nlast %s\n' "$TOKEN" 0 "$TOKEN"; exit 3""")]
    public async Task Of_a_secret_that_a_cut_goes_through_nothing_is_shown(string command)
    {
        using var ozf = new OzfRig();
        var environment = new Dictionary<string, string> { ["TOKEN"] = Token, ["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "" };
        var publisher = new CommandPublisher(
            "script", command, RunEventKinds.All, environment, ozf.Surround().Directory, TimeSpan.FromMinutes(2), text => text.Replace(Token, "***", StringComparison.Ordinal), TimeProvider.System);
        var runEvent = new RunEvent("e", RunEvents.CompletedType, RunId.Create(TimeProvider.System), Encoding.UTF8.GetBytes("{}"));

        var refused = await Assert.ThrowsAsync<EventDeliveryException>(() => publisher.PublishAsync(runEvent, TestContext.Current.CancellationToken));

        Assert.Equal(3, refused.Status);
        Assert.DoesNotContain("ter2", refused.Message, StringComparison.Ordinal);
    }
}
