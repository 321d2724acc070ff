using OzFunctions.Blobs;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>Blobs in memory.</summary>
internal sealed class MemoryStore : IBlobStore
{
    private readonly SortedDictionary<string, byte[]> _blobs = new(StringComparer.Ordinal);
    private long _version;

    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken)
    {
        lock (_blobs)
        {
            return Task.FromResult(_blobs.TryGetValue(name, out var content)
                ? new Blob { Name = name, ETag = new ETag($"{content.Length}"), Length = content.Length, Age = TimeSpan.Zero, Content = content }
                : null);
        }
    }

    public async Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) =>
        await FindAsync(name, cancellationToken) is { } blob && blob.ETag == known ? BlobChange.None : new BlobChange(true, await FindAsync(name, cancellationToken));

    public async Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) => await FindAsync(name, cancellationToken);

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
    {
        lock (_blobs)
        {
            return Task.FromResult<ETag?>(_blobs.TryAdd(name, content.ToArray()) ? Next() : null);
        }
    }

    public async Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        (await FindAsync(name, cancellationToken))?.ETag == match ? await PutAsync(name, content, cancellationToken) : null;

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        lock (_blobs)
        {
            _blobs[name] = content.ToArray();
            return Task.FromResult(Next());
        }
    }

    public Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        lock (_blobs)
        {
            var before = _blobs.GetValueOrDefault(name) ?? [];
            if (before.Length != offset)
            {
                return Task.FromResult(false);
            }

            _blobs[name] = [.. before, .. content.Span];
            return Task.FromResult(true);
        }
    }

    public Task FlushAsync(string name, CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken) =>
        await FindAsync(name, cancellationToken) is { } blob
            ? new MemoryStream(blob.Content.Slice((int)offset, (int)Math.Min(count ?? long.MaxValue, blob.Length - offset)).ToArray())
            : null;

    public async Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
    {
        using var bytes = new MemoryStream();
        await content.CopyToAsync(bytes, cancellationToken);
        await PutAsync(name, bytes.ToArray(), cancellationToken);
        return (await FindEntryAsync(name, cancellationToken))!;
    }

    public Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken)
    {
        lock (_blobs)
        {
            return Task.FromResult(new BlobPage(
                [.. _blobs.Where(blob => blob.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(blob => new BlobEntry { Name = blob.Key, ETag = new ETag("1"), Length = blob.Value.Length, Age = TimeSpan.Zero })],
                null));
        }
    }

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken)
    {
        lock (_blobs)
        {
            _blobs.Remove(name);
            return Task.FromResult(true);
        }
    }

    public Uri GetAddress(string name) => new($"memory:{name}");

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => Task.FromResult<Uri?>(null);

    private ETag Next() => new($"{++_version}");
}
