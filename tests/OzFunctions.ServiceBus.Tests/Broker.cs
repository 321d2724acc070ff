using Azure.Messaging.ServiceBus.Administration;

namespace OzFunctions.ServiceBus.Tests;

/// <summary>A namespace or emulator to test against, named by <c>OZF_TEST_SERVICEBUS</c> (a connection string, or a namespace for the default identity).</summary>
internal sealed class Broker : IAsyncDisposable
{
    public const string Variable = "OZF_TEST_SERVICEBUS";

    private readonly List<Func<Task>> _made = [];

    public Broker()
    {
        var text = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(string.IsNullOrEmpty(text), $"{Variable} is not set: it names a Service Bus namespace or emulator to test against.");
        Connection = ServiceBusConnection.Open(text!);
    }

    public ServiceBusConnection Connection { get; }

    /// <summary>A queue of the test's own with a short lock.</summary>
    public string CreateQueue()
    {
        var name = "oz-test-" + Guid.NewGuid().ToString("N");
        Wait(Connection.Administration.CreateQueueAsync(new CreateQueueOptions(name) { LockDuration = TimeSpan.FromSeconds(5), MaxDeliveryCount = 10, RequiresDuplicateDetection = true }));
        _made.Add(() => Connection.Administration.DeleteQueueAsync(name));
        return name;
    }

    /// <summary>A topic with duplicate detection and a subscription <c>all</c>.</summary>
    public string CreateTopic()
    {
        var name = "oz-test-" + Guid.NewGuid().ToString("N");
        Wait(Connection.Administration.CreateTopicAsync(new CreateTopicOptions(name) { RequiresDuplicateDetection = true }));
        Wait(Connection.Administration.CreateSubscriptionAsync(name, "all"));
        _made.Add(() => Connection.Administration.DeleteTopicAsync(name));
        return name;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var remove in _made)
        {
            await remove();
        }

        await Connection.DisposeAsync();
    }

    // The contracts make their ports synchronously.
    private static void Wait(Task task) => task.GetAwaiter().GetResult();
}
