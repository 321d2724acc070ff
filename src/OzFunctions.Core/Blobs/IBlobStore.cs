namespace OzFunctions.Blobs;

/// <summary>
/// The durable store that everything stands on: one flat container of named blobs with conditional writes.
/// Every implementation passes <c>BlobStoreContract</c>. A store that cannot be reached throws <see cref="BlobStoreException"/>;
/// a refused condition is an answer, not an exception.
/// </summary>
/// <remarks>Names are relative, use <c>/</c>, and hold no empty, <c>.</c> or <c>..</c> segment.</remarks>
public interface IBlobStore
{
    /// <summary>Reads a blob whole; null when absent.</summary>
    Task<Blob?> FindAsync(string name, CancellationToken cancellationToken);

    /// <summary>Reads a blob unless it still has <paramref name="known"/> (HTTP if-none-match).</summary>
    Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken);

    /// <summary>Length, metadata and age without the content; null when absent.</summary>
    Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken);

    /// <summary>Creates the blob if none is there (if-none-match: *). Null: refused, one is there. Durable when it answers.</summary>
    Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken);

    /// <summary>Replaces the blob if it still has <paramref name="match"/>. Null: refused, it changed or is gone. Durable when it answers.</summary>
    Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken);

    /// <summary>
    /// Writes without a condition. Only for what can be rebuilt: index entries, markers. Not made durable against power loss.
    /// </summary>
    Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>
    /// Appends when the blob is <paramref name="offset"/> bytes long (0 creates it); readers see all of it or nothing. False: refused, it has another length.
    /// </summary>
    Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>Makes what was appended durable against power loss (seal).</summary>
    Task FlushAsync(string name, CancellationToken cancellationToken);

    /// <summary>Opens the content from <paramref name="offset"/> for at most <paramref name="count"/> bytes; null when absent.</summary>
    Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken);

    /// <summary>Streams content into a blob, replacing what is there; readers see all of it or nothing. Durable when it answers.</summary>
    Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken);

    /// <summary>Lists by prefix in ordinal order of names, at most <paramref name="most"/> entries, from <paramref name="continuation"/> on.</summary>
    Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken);

    /// <summary>Deletes; with <paramref name="match"/> only that version. False: refused, another version is there. Absent is true.</summary>
    Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken);

    /// <summary>The blob's plain address, never signed.</summary>
    Uri GetAddress(string name);

    /// <summary>A link that lets its holder read the blob for a short time; null where the store has no such thing.</summary>
    Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken);
}

/// <summary>Answer of a conditional read.</summary>
public readonly record struct BlobChange(bool Changed, Blob? Blob)
{
    public static BlobChange None => new(false, null);
}
