namespace OzFunctions.Blobs;

/// <summary>What a listing says of one blob.</summary>
public record BlobEntry
{
    public required string Name { get; init; }

    public required ETag ETag { get; init; }

    /// <summary>Content length in bytes.</summary>
    public required long Length { get; init; }

    /// <summary>Age by the store's own clock: its <c>Date</c> less the blob's <c>Last-Modified</c>, of one response (protocol L3).</summary>
    public required TimeSpan Age { get; init; }

    /// <summary>The store's own clock when it answered; null where it does not tell.</summary>
    public DateTimeOffset? AsOf { get; init; }

    /// <summary>Null where the store has none that belongs to this very content; the reader then looks into the content.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}

/// <summary>A blob with its whole content.</summary>
public sealed record Blob : BlobEntry
{
    public required ReadOnlyMemory<byte> Content { get; init; }
}

/// <summary>One page of a listing, in ordinal order of names.</summary>
public sealed record BlobPage(IReadOnlyList<BlobEntry> Entries, string? Continuation);
