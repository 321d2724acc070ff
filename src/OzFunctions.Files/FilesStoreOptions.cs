namespace OzFunctions.Files;

/// <summary>Where the plain files lie and how safe they are.</summary>
public sealed record FilesStoreOptions
{
    /// <summary>The data directory; made with mode 0700 when absent.</summary>
    public required string Directory { get; init; }

    /// <summary>Default: <see cref="Files.Durability.Power"/>.</summary>
    public Durability Durability { get; init; } = Durability.Power;

    /// <summary>Accepts a network file system, where locks, links, times and watches may not do what they promise. Default: false.</summary>
    public bool AllowNetworkFileSystem { get; init; }

    /// <summary>Wakes up by file-system watches; without them by polling every 50 ms. Default: true.</summary>
    public bool UseWatches { get; init; } = true;
}
