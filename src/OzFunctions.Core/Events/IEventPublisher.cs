namespace OzFunctions.Events;

/// <summary>Sends one CloudEvent somewhere. Throws when it could not; a repeat of the same event is harmless to its reader, who knows it by id.</summary>
public interface IEventPublisher
{
    /// <summary>Name in the record's outbox, unique among the configured publishers.</summary>
    string Name { get; }

    Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken);
}
