namespace OzFunctions.Hosts;

/// <summary>How a worker host behaves; values come checked from the configuration.</summary>
public sealed record WorkerOptions
{
    public required string WorkerId { get; init; }

    /// <summary>Machine name for people.</summary>
    public required string Machine { get; init; }

    public required string Version { get; init; }

    /// <summary>Runs side by side; 0: no limit.</summary>
    public int Slots { get; init; }

    /// <summary>How long a silent host keeps its runs. Default 10 minutes.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>L1. Default 30 seconds.</summary>
    public TimeSpan HeartbeatEvery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A1. Default 5 seconds.</summary>
    public TimeSpan AdoptEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Default 10 seconds, ± 20 %.</summary>
    public TimeSpan TickEvery { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often waiting runs are listed when no bell rings. Default 15 seconds.</summary>
    public TimeSpan ListEvery { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>A run that waits longer ends <c>expired</c>. Default 7 days.</summary>
    public TimeSpan QueueTtl { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Live attempts per concurrency key. Default 1.</summary>
    public int RoomPerKey { get; init; } = 1;

    /// <summary>Concurrency key of runs that have none of their own: the directory that all of them share (design section 8, <c>target_dir</c>). Null: they go side by side.</summary>
    public string? SharedKey { get; init; }

    /// <summary>How long runs may go on after the host was asked to stop. Default 10 minutes.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Take one run, then stop.</summary>
    public bool Once { get; init; }
}
