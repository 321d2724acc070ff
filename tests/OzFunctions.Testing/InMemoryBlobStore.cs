using System.Globalization;
using OzFunctions.Blobs;

namespace OzFunctions.Testing;

/// <summary>The blob port in memory, as faithful as the contract asks: ETags never repeat, ages come from the given clock.</summary>
public sealed class InMemoryBlobStore(TimeProvider time) : IBlobStore
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, Kept> _blobs = new(StringComparer.Ordinal);
    private long _version;

    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Task.FromResult(_blobs.TryGetValue(name, out var kept) ? ToBlob(name, kept) : null);
        }
    }

    public async Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken)
    {
        var blob = await FindAsync(name, cancellationToken);
        return blob?.ETag == known ? BlobChange.None : new(true, blob);
    }

    public async Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) => await FindAsync(name, cancellationToken);

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Task.FromResult(_blobs.ContainsKey(name) ? (ETag?)null : Keep(name, content, metadata));
        }
    }

    public Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Task.FromResult(_blobs.TryGetValue(name, out var kept) && kept.ETag == match ? Keep(name, content, metadata) : (ETag?)null);
        }
    }

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Task.FromResult(Keep(name, content, null));
        }
    }

    public Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var before = _blobs.TryGetValue(name, out var kept) ? kept.Content : [];
            if (before.Length != offset)
            {
                return Task.FromResult(false);
            }

            Keep(name, (byte[])[.. before, .. content.Span], kept?.Metadata);
            return Task.FromResult(true);
        }
    }

    public Task FlushAsync(string name, CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken)
    {
        if (await FindAsync(name, cancellationToken) is not { } blob)
        {
            return null;
        }

        var tail = blob.Content[(int)Math.Min(offset, blob.Content.Length)..];
        return new MemoryStream(tail[..(int)Math.Min(count ?? tail.Length, tail.Length)].ToArray(), writable: false);
    }

    public async Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream();
        await content.CopyToAsync(buffer, cancellationToken);
        lock (_gate)
        {
            Keep(name, buffer.ToArray(), metadata);
            return ToBlob(name, _blobs[name]);
        }
    }

    public Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var found = _blobs
                .Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal) && (continuation is null || string.CompareOrdinal(pair.Key, continuation) > 0))
                .Take(most + 1)
                .Select(BlobEntry (pair) => ToBlob(pair.Key, pair.Value))
                .ToList();
            return Task.FromResult(found.Count > most ? new BlobPage(found[..most], found[most - 1].Name) : new BlobPage(found, null));
        }
    }

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (match is { } etag && _blobs.TryGetValue(name, out var kept) && kept.ETag != etag)
            {
                return Task.FromResult(false);
            }

            _blobs.Remove(name);
            return Task.FromResult(true);
        }
    }

    public Uri GetAddress(string name) => new("memory:///ozfunctions/" + string.Join('/', name.Split('/').Select(Uri.EscapeDataString)));

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => Task.FromResult<Uri?>(null);

    private ETag Keep(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata)
    {
        var etag = new ETag((++_version).ToString(CultureInfo.InvariantCulture));
        _blobs[name] = new(content.ToArray(), metadata, etag, time.GetUtcNow());
        return etag;
    }

    private Blob ToBlob(string name, Kept kept) => new()
    {
        Name = name,
        ETag = kept.ETag,
        Length = kept.Content.Length,
        Age = time.GetUtcNow() - kept.Written,
        Metadata = kept.Metadata,
        Content = kept.Content,
    };

    private sealed record Kept(byte[] Content, IReadOnlyDictionary<string, string>? Metadata, ETag ETag, DateTimeOffset Written);
}
