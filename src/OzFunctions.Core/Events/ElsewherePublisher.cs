namespace OzFunctions.Events;

/// <summary>
/// A publisher that this process owes events to and never sends to: a Service Bus topic on a host, a local command in the function app. Processes of the other kind
/// find the event owed, and send it.
/// </summary>
/// <param name="kinds">What it wants; only the completion event is ever owed.</param>
/// <param name="why">A sentence for who asks to have it sent from here: who sends it, and when.</param>
public sealed class ElsewherePublisher(string name, IReadOnlyList<RunEventKind> kinds, string why) : IEventPublisher
{
    public string Name => name;

    public IReadOnlyList<RunEventKind> Kinds => kinds;

    public bool IsElsewhere => true;

    /// <exception cref="EventDeliveryException">Always.</exception>
    public Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken) => Task.FromException(new EventDeliveryException(why));
}
