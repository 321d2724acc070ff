using OzFunctions.Events;

namespace OzFunctions.Cli.Events;

/// <summary>A Service Bus topic: a host owes it events, and the function app, which has the broker's client, sends them.</summary>
internal sealed class ElsewherePublisher(string name, IReadOnlyList<RunEventKind> kinds) : IEventPublisher
{
    public string Name => name;

    public IReadOnlyList<RunEventKind> Kinds => kinds;

    public bool IsElsewhere => true;

    public Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken) =>
        Task.FromException(new EventDeliveryException("The function app sends to Azure Service Bus: it does so with its next tick."));
}
