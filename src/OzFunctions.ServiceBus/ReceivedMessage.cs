using System.Globalization;
using System.Text;
using Azure.Messaging.ServiceBus;

namespace OzFunctions.ServiceBus;

/// <summary>What every message has, also one that another client than Microsoft's sent: an id of its own, and its bytes.</summary>
public static class ReceivedMessage
{
    /// <summary>
    /// The sender's id. AMQP lets a sender leave it out, and then two messages are no repeat of each other: each has the place that the broker gave it, which stays the same at
    /// every delivery. The time keeps places of a queue that was made anew apart from those of the old one.
    /// </summary>
    public static string IdOf(ServiceBusReceivedMessage message) =>
        string.IsNullOrEmpty(message.MessageId) ? string.Create(CultureInfo.InvariantCulture, $"sequence-{message.SequenceNumber}-{message.EnqueuedTime.ToUnixTimeMilliseconds()}") : message.MessageId;

    /// <summary>
    /// The body as bytes. The SDK's own property throws for a body that is an AMQP value, as JMS and many AMQP libraries send text. What is neither bytes nor text is written out,
    /// so that it becomes a dead letter that shows what came.
    /// </summary>
    public static ReadOnlyMemory<byte> BodyOf(ServiceBusReceivedMessage message)
    {
        var body = message.GetRawAmqpMessage().Body;
        if (body.TryGetValue(out var value))
        {
            return value switch
            {
                byte[] bytes => bytes,
                ArraySegment<byte> bytes => bytes,
                _ => Encoding.UTF8.GetBytes(Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""),
            };
        }

        return body.TryGetSequence(out var sequence) && sequence is not null
            ? Encoding.UTF8.GetBytes(string.Join('\n', sequence.SelectMany(values => values).Select(item => Convert.ToString(item, CultureInfo.InvariantCulture))))
            : message.Body.ToMemory();
    }
}
