using OzFunctions.Blobs;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>A store whose appends fail as told; the rest goes to the one inside.</summary>
internal sealed class FaultyStore(IBlobStore inner, Func<Exception?> before, Func<Exception?> after) : IBlobStore
{
    public async Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        if (before() is { } refusal)
        {
            throw refusal;
        }

        var done = await inner.TryAppendAsync(name, offset, content, cancellationToken);
        return after() is { } loss ? throw loss : done;
    }

    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => inner.FindAsync(name, cancellationToken);

    public Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) => inner.FindChangeAsync(name, known, cancellationToken);

    public Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) => inner.FindEntryAsync(name, cancellationToken);

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        inner.TryCreateAsync(name, content, metadata, cancellationToken);

    public Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        inner.TryReplaceAsync(name, content, metadata, match, cancellationToken);

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.PutAsync(name, content, cancellationToken);

    public Task FlushAsync(string name, CancellationToken cancellationToken) => inner.FlushAsync(name, cancellationToken);

    public Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken) => inner.OpenReadAsync(name, offset, count, cancellationToken);

    public Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        inner.UploadAsync(name, content, contentType, metadata, cancellationToken);

    public Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken) => inner.ListAsync(prefix, continuation, most, cancellationToken);

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) => inner.TryDeleteAsync(name, match, cancellationToken);

    public Uri GetAddress(string name) => inner.GetAddress(name);

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => inner.FindReadLinkAsync(name, lifetime, cancellationToken);
}
