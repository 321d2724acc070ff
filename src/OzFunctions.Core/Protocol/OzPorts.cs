using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Queues;

namespace OzFunctions.Protocol;

/// <summary>The ports that the protocol stands on, chosen by a composition root.</summary>
public sealed record OzPorts
{
    /// <summary>Identity of the store; attempt directories name it, so that two stores may share a workspace root.</summary>
    public required string StoreId { get; init; }

    public required IBlobStore Blobs { get; init; }

    public required IBell Bell { get; init; }

    public required IHostLock HostLock { get; init; }

    /// <summary>Where completion events go; may be empty.</summary>
    public required IReadOnlyList<IEventPublisher> Publishers { get; init; }

    public required TimeProvider Time { get; init; }

    public IProtocolProbe Probe { get; init; } = NoProbe.Instance;
}
