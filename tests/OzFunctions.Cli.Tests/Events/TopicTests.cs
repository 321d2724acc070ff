namespace OzFunctions.Cli.Tests.Events;

/// <summary><c>events[].topic</c>: the function app's to send, so it needs the store that both share.</summary>
public sealed class TopicTests
{
    private const string Configuration = "events: [{name: bus, topic: oz-events}]";

    [Fact]
    public async Task With_plain_files_a_topic_is_refused_with_the_way_out()
    {
        using var ozf = new OzfRig();

        var answer = (await ozf.RunAsync("runs", "list", "--config-file", ozf.Write("ozf.yaml", Configuration))).Ends(64);

        Assert.Contains("events.bus.topic: the function app sends to Azure Service Bus", answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_azure_storage_it_is_accepted()
    {
        using var ozf = new OzfRig();
        ozf.Environment["OZF_STORAGE"] = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0c2VjcmV0;BlobEndpoint=http://127.0.0.1:1/a;QueueEndpoint=http://127.0.0.1:1/a";

        // Nothing listens there: what matters is that it is asked at all.
        var answer = await ozf.RunAsync("schedules", "next", "--cron", "@daily", "--config-file", ozf.Write("ozf.yaml", Configuration));

        Assert.DoesNotContain("topic", answer.Ends(0).Error, StringComparison.Ordinal);
    }
}
