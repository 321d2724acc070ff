using OzFunctions.Blobs;
using OzFunctions.Protocol;

namespace OzFunctions.Hosts;

/// <summary>L3 and L6: who lives, by the store's own clock and, on one machine, by the lock that a host holds for life.</summary>
public sealed class HostRegistry(OzPorts ports, TimeSpan lease)
{
    /// <summary>A host is declared dead only this long after its lease.</summary>
    internal static readonly TimeSpan Margin = TimeSpan.FromMinutes(1);

    /// <summary>Looks now, never at a listing. An absent heartbeat is a dead host (T4).</summary>
    public async Task<bool> IsDeadAsync(string hostId, CancellationToken cancellationToken) =>
        await ports.Blobs.FindAsync(HostHeartbeat.NameOf(hostId), cancellationToken) is not { } blob ? !HoldsLock(hostId) : IsDead(hostId, blob);

    /// <summary>Every heartbeat in the store with what it means now.</summary>
    public async Task<IReadOnlyList<KnownHost>> ListAsync(CancellationToken cancellationToken)
    {
        var hosts = new List<KnownHost>();
        await foreach (var entry in ports.Blobs.ListAllAsync("hosts/", cancellationToken))
        {
            if (await ports.Blobs.FindAsync(entry.Name, cancellationToken) is { } blob && HostHeartbeat.TryRead(blob.Content) is { } heartbeat)
            {
                var dead = FindDeadFor(heartbeat.HostId, blob);
                hosts.Add(new(heartbeat, blob.Age, dead is null, blob.ETag) { DeadFor = dead });
            }
        }

        return hosts;
    }

    private bool IsDead(string hostId, Blob blob) => FindDeadFor(hostId, blob) is not null;

    /// <summary>How long a host has been dead; null: it is not.</summary>
    private TimeSpan? FindDeadFor(string hostId, Blob blob)
    {
        var limit = (HostHeartbeat.TryRead(blob.Content)?.Lease is { } own && own > lease ? own : lease) + Margin;
        var silent = ports.HostLock.Find(hostId) switch
        {
            { Held: true } => TimeSpan.Zero,
            { } free => free.Age < blob.Age ? free.Age : blob.Age,
            null => blob.Age,
        };
        return silent > limit ? silent - limit : null;
    }

    private bool HoldsLock(string hostId) => ports.HostLock.Find(hostId) is { Held: true };
}

/// <summary>A host that wrote a heartbeat.</summary>
public sealed record KnownHost(HostHeartbeat Heartbeat, TimeSpan Age, bool Alive, ETag ETag)
{
    /// <summary>How long it has been dead; null: it is alive.</summary>
    public TimeSpan? DeadFor { get; init; }

    /// <summary>Whether it is a worker's: the process of an <c>ozf exec</c> takes no runs of others.</summary>
    public bool IsWorkers => Heartbeat.Tied != true;
}
