using Azure.Messaging.ServiceBus;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>The sender's W3C trace context, as the Service Bus SDKs write it.</summary>
internal static class MessageTrace
{
    public static string? Of(ServiceBusReceivedMessage message) =>
        (message.ApplicationProperties.GetValueOrDefault("traceparent") ?? message.ApplicationProperties.GetValueOrDefault("Diagnostic-Id")) as string;
}
