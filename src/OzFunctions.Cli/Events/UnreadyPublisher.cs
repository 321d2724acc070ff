using OzFunctions.Events;

namespace OzFunctions.Cli.Events;

/// <summary>Named in outboxes by a command that lacks what sending takes; hosts do not start without it.</summary>
internal sealed class UnreadyPublisher(string name, IReadOnlyList<RunEventKind> kinds, string why) : IEventPublisher
{
    public string Name => name;

    public IReadOnlyList<RunEventKind> Kinds => kinds;

    public bool IsPrompt => false;

    public Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken) => Task.FromException(new EventDeliveryException(why));
}
