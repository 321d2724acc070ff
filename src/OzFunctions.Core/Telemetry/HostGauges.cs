namespace OzFunctions.Telemetry;

/// <summary>What a host is asked when metrics are read. Cheap: no call of the store.</summary>
public sealed record HostGauges
{
    /// <summary>Heartbeats reach the store.</summary>
    public required Func<bool> Connected { get; init; }

    /// <summary>Runs here now.</summary>
    public required Func<int> Active { get; init; }

    public required string WorkerId { get; init; }

    public required string Version { get; init; }

    /// <summary>Runs side by side; 0: no limit.</summary>
    public required int Slots { get; init; }
}

/// <summary>What is measured of the store and the disk every few seconds, whether or not somebody reads it.</summary>
public sealed record QueueSample
{
    /// <summary>Runs of this worker that are ready and wait.</summary>
    public long Depth { get; init; }

    /// <summary>How long the oldest of them waits.</summary>
    public TimeSpan OldestAge { get; init; }

    public long DeadLetters { get; init; }

    /// <summary>Free at the workspace root; null: not measured.</summary>
    public long? DiskFreeBytes { get; init; }

    /// <summary>Output and files of attempts in private directories on this machine; null: not measured.</summary>
    public long? SpoolBytes { get; init; }
}
