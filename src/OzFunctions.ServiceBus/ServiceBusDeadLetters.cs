using System.Runtime.CompilerServices;
using System.Text;
using Azure.Messaging.ServiceBus;
using OzFunctions.DeadLetters;

namespace OzFunctions.ServiceBus;

/// <summary>Reads a queue's <c>$deadletterqueue</c> into letters of ours, with the broker's reason and description.</summary>
public sealed class ServiceBusDeadLetters(ServiceBusConnection connection, string queue, TimeProvider time) : IAsyncDisposable
{
    private readonly ServiceBusReceiver _receiver = connection.Client.CreateReceiver(queue, new ServiceBusReceiverOptions { SubQueue = SubQueue.DeadLetter });

    /// <summary>Those that are there now, at most <paramref name="most"/>, each removed once the reader asks for the next.</summary>
    public async IAsyncEnumerable<DeadLetter> TakeAsync(int most, TimeSpan wait, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var n = 0; n < most; n++)
        {
            ServiceBusReceivedMessage? message;
            try
            {
                message = await _receiver.ReceiveMessageAsync(wait, cancellationToken);
            }
            catch (Exception ex) when (ServiceBusConnection.IsFault(ex))
            {
                throw ServiceBusConnection.Wrap($"Queue '{queue}/$deadletterqueue'", ex);
            }

            if (message is null)
            {
                yield break;
            }

            yield return Of(queue, message, time);

            // Durable by now: the reader has stored it.
            await _receiver.CompleteMessageAsync(message, cancellationToken);
        }
    }

    /// <summary>A dead message as a letter.</summary>
    public static DeadLetter Of(string queue, ServiceBusReceivedMessage message, TimeProvider time) => new()
    {
        Id = DeadLetterStore.IdOf(queue, ReceivedMessage.IdOf(message), ReceivedMessage.BodyOf(message).Span),
        Queue = queue,
        MessageId = ReceivedMessage.IdOf(message),
        Reason = message.DeadLetterReason ?? "dead_lettered",
        Description = message.DeadLetterErrorDescription ?? $"The broker gave it up after {message.DeliveryCount} deliveries.",
        Body = Encoding.UTF8.GetString(ReceivedMessage.BodyOf(message).Span),
        ReceivedAt = time.GetUtcNow(),
    };

    public ValueTask DisposeAsync() => _receiver.DisposeAsync();
}
