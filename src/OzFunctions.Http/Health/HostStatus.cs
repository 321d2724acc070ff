namespace OzFunctions.Http.Health;

/// <summary>What a process says of itself to whoever watches it.</summary>
public sealed record HostStatus
{
    /// <summary>Why it does not do its work now; empty: it is ready. No secrets: anybody may read it.</summary>
    public required Func<IReadOnlyList<string>> NotReady { get; init; }

    /// <summary>Prometheus text; null: none is kept.</summary>
    public Func<string>? Metrics { get; init; }
}
