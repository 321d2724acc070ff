namespace OzFunctions.Configuration;

/// <summary>What Core needs of the configuration, for whichever root read it.</summary>
internal static class CoreSetup
{
    /// <summary>Who takes runs that name nobody, where the configuration names nobody either.</summary>
    public const string DefaultWorkerId = "local";

    public static CoreOptions Create(OzfConfiguration configuration) => new()
    {
        PublicUrl = configuration.PublicUrl is { } url ? new(url) : null,
        Intake = new() { DefaultWorkerId = configuration.WorkerId ?? DefaultWorkerId, MaxQueued = configuration.Limits.MaxQueued },
        Tick = new() { Lease = configuration.Lease, QueueTtl = configuration.Limits.QueueTtl },
        Retention = new() { Runs = configuration.KeepRuns },
        Schedules = configuration.Schedules,
    };
}
