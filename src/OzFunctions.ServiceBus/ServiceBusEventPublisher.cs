using System.Text.Json;
using Azure.Messaging.ServiceBus;
using OzFunctions.Events;

namespace OzFunctions.ServiceBus;

/// <summary>Publishes run events to a topic as structured CloudEvents. The message id is the event's id, so a topic with duplicate detection drops a repeat.</summary>
public sealed class ServiceBusEventPublisher(ServiceBusConnection connection, string topic, string name, IReadOnlyList<RunEventKind>? kinds = null) : IEventPublisher, IAsyncDisposable
{
    private readonly ServiceBusSender _sender = connection.Client.CreateSender(topic);

    public string Name { get; } = name;

    public IReadOnlyList<RunEventKind> Kinds { get; } = kinds ?? RunEventKinds.All;

    public async Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        try
        {
            await _sender.SendMessageAsync(MessageOf(runEvent), cancellationToken);
        }
        catch (Exception ex) when (ServiceBusConnection.IsFault(ex))
        {
            throw ServiceBusConnection.Wrap($"Topic '{topic}'", ex);
        }
    }

    public ValueTask DisposeAsync() => _sender.DisposeAsync();

    /// <summary>Subject and properties are what subscriptions filter by: <c>type</c>, and of the event's data <c>state</c>, <c>reason</c> and <c>worker_id</c>.</summary>
    internal static ServiceBusMessage MessageOf(RunEvent runEvent)
    {
        var message = new ServiceBusMessage(runEvent.Json)
        {
            MessageId = runEvent.Id,
            Subject = $"runs/{runEvent.RunId}",
            CorrelationId = runEvent.RunId.Value,
            ContentType = "application/cloudevents+json; charset=utf-8",
        };
        message.ApplicationProperties["type"] = runEvent.Type;
        using var document = JsonDocument.Parse(runEvent.Json);
        if (document.RootElement.TryGetProperty("traceparent", out var trace) && trace.ValueKind == JsonValueKind.String)
        {
            message.ApplicationProperties["Diagnostic-Id"] = trace.GetString();
        }

        if (document.RootElement.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in (string[])["state", "reason", "worker_id"])
            {
                if (data.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String)
                {
                    message.ApplicationProperties[property] = value.GetString();
                }
            }
        }

        return message;
    }
}
