using OzFunctions.Blobs;

namespace OzFunctions.Testing;

/// <summary>A store that passes every call on to another one; a test overrides the calls that it has something to say about.</summary>
public abstract class WrappedBlobStore(IBlobStore inner) : IBlobStore
{
    protected IBlobStore Inner => inner;

    public virtual Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => inner.FindAsync(name, cancellationToken);

    public virtual Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) => inner.FindChangeAsync(name, known, cancellationToken);

    public virtual Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) => inner.FindEntryAsync(name, cancellationToken);

    public virtual Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        inner.TryCreateAsync(name, content, metadata, cancellationToken);

    public virtual Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        inner.TryReplaceAsync(name, content, metadata, match, cancellationToken);

    public virtual Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.PutAsync(name, content, cancellationToken);

    public virtual Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        inner.TryAppendAsync(name, offset, content, cancellationToken);

    public virtual Task FlushAsync(string name, CancellationToken cancellationToken) => inner.FlushAsync(name, cancellationToken);

    public virtual Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken) => inner.OpenReadAsync(name, offset, count, cancellationToken);

    public virtual Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        inner.UploadAsync(name, content, contentType, metadata, cancellationToken);

    public virtual Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken) => inner.ListAsync(prefix, continuation, most, cancellationToken);

    public virtual Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) => inner.TryDeleteAsync(name, match, cancellationToken);

    public virtual Uri GetAddress(string name) => inner.GetAddress(name);

    public virtual Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => inner.FindReadLinkAsync(name, lifetime, cancellationToken);
}
