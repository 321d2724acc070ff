using Azure.Messaging.ServiceBus;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;
using OzFunctions.Queues;
using OzFunctions.ServiceBus;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>Gives a message back after a pause, which Service Bus itself has none of: an outage must use up neither its deliveries nor calls in seconds.</summary>
internal sealed partial class MessageReturn(TimeProvider time, ILogger<MessageReturn> logger)
{
    /// <param name="trouble">Why it could not be taken; of ours, never the message's fault.</param>
    public async Task GiveBackAsync(ServiceBusReceivedMessage message, ServiceBusMessageActions actions, Exception trouble, CancellationToken cancellationToken)
    {
        GivenBack(ReceivedMessage.IdOf(message), message.DeliveryCount, trouble);
        await Task.Delay(MessageIntake.PauseBefore(message.DeliveryCount), time, cancellationToken);
        await actions.AbandonMessageAsync(message, cancellationToken: cancellationToken);
    }

    [LoggerMessage(LogLevel.Warning, "Message {MessageId}, delivery {Delivery}, is given back")]
    private partial void GivenBack(string messageId, int delivery, Exception exception);
}
