using System.Text;
using Azure.Messaging.ServiceBus;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Events;
using OzFunctions.Queues;
using OzFunctions.Testing;

namespace OzFunctions.ServiceBus.Tests;

public sealed class ServiceBusRequestQueueContractTests : RequestQueueContract, IAsyncDisposable
{
    private Broker? _broker;

    public ValueTask DisposeAsync() => _broker?.DisposeAsync() ?? ValueTask.CompletedTask;

    protected override IRequestQueue CreateQueue()
    {
        _broker = new();
        return new ServiceBusRequestQueue(_broker.Connection, _broker.CreateQueue(), TimeProvider.System);
    }

    /// <summary>A lock's length is the queue's, five seconds here, whatever the receiver asks for.</summary>
    protected override Task PassAsync(TimeSpan time) => base.PassAsync(time + TimeSpan.FromSeconds(4));
}

public sealed class ServiceBusBellContractTests : BellContract, IAsyncDisposable
{
    private Broker? _broker;

    public ValueTask DisposeAsync() => _broker?.DisposeAsync() ?? ValueTask.CompletedTask;

    protected override IBell CreateBell()
    {
        _broker = new();
        return new ServiceBusBell(_broker.Connection, TimeProvider.System, NullLogger<ServiceBusBell>.Instance);
    }
}

public sealed class ServiceBusEventPublisherContractTests : EventPublisherContract, IAsyncDisposable
{
    private Broker? _broker;
    private string _topic = "";

    public ValueTask DisposeAsync() => _broker?.DisposeAsync() ?? ValueTask.CompletedTask;

    protected override IEventPublisher CreatePublisher()
    {
        _broker = new();
        _topic = _broker.CreateTopic();
        return new ServiceBusEventPublisher(_broker.Connection, _topic, "topic");
    }

    protected override async Task<IReadOnlyList<string>> ReadAsync()
    {
        await using var receiver = _broker!.Connection.Client.CreateReceiver(_topic, "all", new ServiceBusReceiverOptions { ReceiveMode = ServiceBusReceiveMode.ReceiveAndDelete });
        var read = new List<string>();
        while (await receiver.ReceiveMessageAsync(TimeSpan.FromSeconds(2), Cancellation) is { } message)
        {
            read.Add(Encoding.UTF8.GetString(message.Body.ToMemory().Span));
        }

        return read;
    }
}

public sealed class ServiceBusDeadLetterTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 180_000)]
    public async Task A_dead_lettered_message_is_read_with_reason_and_description_and_is_gone_then()
    {
        await using var broker = new Broker();
        var name = broker.CreateQueue();
        await using var queue = new ServiceBusRequestQueue(broker.Connection, name, TimeProvider.System);
        var id = await queue.SendAsync("bad"u8.ToArray(), Cancellation);
        var message = await queue.ReceiveAsync(TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(10), Cancellation);

        Assert.True(await queue.DeadLetterAsync(message!, "invalid_request", "prompt: is missing", Cancellation));

        await using var dead = new ServiceBusDeadLetters(broker.Connection, name, TimeProvider.System);
        var letter = Assert.Single(await dead.TakeAsync(10, TimeSpan.FromSeconds(3), Cancellation).ToListAsync(Cancellation));
        Assert.Equal((id, "invalid_request", "prompt: is missing", "bad"), (letter.MessageId, letter.Reason, letter.Description, letter.Body));
        Assert.Empty(await dead.TakeAsync(10, TimeSpan.FromSeconds(2), Cancellation).ToListAsync(Cancellation));
    }
}
