namespace OzFunctions.Events;

/// <summary>
/// Sends one CloudEvent somewhere. Throws when it could not (<see cref="EventDeliveryException"/> where the other end said more); a repeat of the same event is
/// harmless to its reader, who knows it by id.
/// </summary>
public interface IEventPublisher
{
    /// <summary>Name in the record's outbox, unique among the configured publishers.</summary>
    string Name { get; }

    /// <summary>Events it wants. Default: all.</summary>
    IReadOnlyList<RunEventKind> Kinds => RunEventKinds.All;

    /// <summary>
    /// True (default): a service of ours that answers in milliseconds, such as a queue, and may be called on a caller's way. False: foreign ground that may be slow;
    /// hosts send to it beside their work, and each delivery is logged in <c>deliveries/out/</c>.
    /// </summary>
    bool IsPrompt => true;

    /// <summary>
    /// True: this process names it in outboxes and never sends, because only another kind of process can (a Service Bus topic: the function app). Default: false.
    /// </summary>
    bool IsElsewhere => false;

    /// <summary>When a failed delivery is repeated. Default: until it is taken.</summary>
    RetryPlan Retries => RetryPlan.UntilTaken;

    Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken);
}
