using OzFunctions.Cli.Events;
using OzFunctions.Cli.Stores;

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
    public void With_azure_storage_a_host_names_it_in_outboxes_and_leaves_the_sending()
    {
        using var ozf = new OzfRig();
        ozf.Environment["OZF_STORAGE"] = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0c2VjcmV0;BlobEndpoint=http://127.0.0.1:1/a;QueueEndpoint=http://127.0.0.1:1/a";
        ozf.Environment["OZF_CONFIG"] = ozf.Write("ozf.yaml", Configuration);
        var surroundings = ozf.Surround();
        var settings = Settings.Load(null, new(), null, surroundings);

        EventPublishers.Check(settings);
        var publisher = Assert.Single(EventPublishers.Create(settings, surroundings, _ => throw new InvalidOperationException("no queue is configured")));

        Assert.Equal(("bus", true), (publisher.Name, publisher.IsElsewhere));
    }
}
