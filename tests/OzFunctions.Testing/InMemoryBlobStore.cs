using OzFunctions.Blobs;

namespace OzFunctions.Testing;

/// <summary>A faithful store in memory: conditions, ETags, ages by the given clock, ordinal listing with continuation.</summary>
public sealed class InMemoryBlobStore(TimeProvider time) : IBlobStore
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, Stored> _blobs = new(StringComparer.Ordinal);
    private long _version;

    /// <summary>Runs before each call takes effect, with the method's name and the blob's; what it throws is an outage.</summary>
    public Func<string, string, Task>? Before { get; set; }

    /// <summary>Runs after each call took effect; what it throws is a lost answer.</summary>
    public Func<string, string, Task>? After { get; set; }

    /// <summary>Names of all blobs there are, in order.</summary>
    public IReadOnlyList<string> Names
    {
        get
        {
            lock (_lock)
            {
                return [.. _blobs.Keys];
            }
        }
    }

    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) =>
        CallAsync(nameof(FindAsync), name, cancellationToken, () => _blobs.TryGetValue(name, out var stored) ? ToBlob(name, stored) : null);

    public Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) =>
        CallAsync(nameof(FindChangeAsync), name, cancellationToken, () =>
            !_blobs.TryGetValue(name, out var stored) ? new BlobChange(true, null)
            : stored.ETag == known ? BlobChange.None
            : new BlobChange(true, ToBlob(name, stored)));

    public Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) =>
        CallAsync(nameof(FindEntryAsync), name, cancellationToken, () => _blobs.TryGetValue(name, out var stored) ? ToEntry(name, stored) : null);

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        CallAsync(nameof(TryCreateAsync), name, cancellationToken, () => _blobs.ContainsKey(name) ? (ETag?)null : Write(name, content, metadata));

    public Task<ETag?> TryReplaceAsync(
        string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        CallAsync(nameof(TryReplaceAsync), name, cancellationToken, () =>
            _blobs.TryGetValue(name, out var stored) && stored.ETag == match ? Write(name, content, metadata) : (ETag?)null);

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        CallAsync(nameof(PutAsync), name, cancellationToken, () => Write(name, content, null));

    public Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        CallAsync(nameof(TryAppendAsync), name, cancellationToken, () =>
        {
            var present = _blobs.TryGetValue(name, out var stored) ? stored.Content : [];
            if (present.Length != offset)
            {
                return false;
            }

            Write(name, (byte[])[.. present, .. content.Span], stored?.Metadata);
            return true;
        });

    public Task FlushAsync(string name, CancellationToken cancellationToken) => CallAsync(nameof(FlushAsync), name, cancellationToken, () => true);

    public Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken) =>
        CallAsync(nameof(OpenReadAsync), name, cancellationToken, () =>
        {
            if (!_blobs.TryGetValue(name, out var stored))
            {
                return null;
            }

            var start = (int)Math.Min(offset, stored.Content.Length);
            var length = (int)Math.Min(count ?? long.MaxValue, stored.Content.Length - start);
            return (Stream)new MemoryStream(stored.Content, start, length, writable: false);
        });

    public async Task<BlobEntry> UploadAsync(
        string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
    {
        using var copy = new MemoryStream();
        await content.CopyToAsync(copy, cancellationToken);
        return await CallAsync(nameof(UploadAsync), name, cancellationToken, () =>
        {
            Write(name, copy.ToArray(), metadata);
            return ToEntry(name, _blobs[name]);
        });
    }

    public Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        return CallAsync(nameof(ListAsync), prefix, cancellationToken, () =>
        {
            // One more than asked for, to know whether anything follows.
            var found = _blobs
                .Where(blob => blob.Key.StartsWith(prefix, StringComparison.Ordinal) && string.CompareOrdinal(blob.Key, continuation) > 0)
                .Take(most + 1).Select(blob => ToEntry(blob.Key, blob.Value)).ToList();
            return found.Count <= most ? new BlobPage(found, null) : new BlobPage(found[..most], found[most - 1].Name);
        });
    }

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) =>
        CallAsync(nameof(TryDeleteAsync), name, cancellationToken, () =>
        {
            if (_blobs.TryGetValue(name, out var stored) && match is { } expected && stored.ETag != expected)
            {
                return false;
            }

            _blobs.Remove(name);
            return true;
        });

    public Uri GetAddress(string name) => new($"memory:///{string.Join('/', name.Split('/').Select(Uri.EscapeDataString))}");

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => Task.FromResult<Uri?>(null);

    private async Task<T> CallAsync<T>(string method, string name, CancellationToken cancellationToken, Func<T> call)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (method != nameof(ListAsync) && name.Split('/').Any(segment => segment is "" or "." or ".."))
        {
            throw new ArgumentException($"'{name}' is not a blob name.", nameof(name));
        }

        if (Before is { } before)
        {
            await before(method, name);
        }

        T answer;
        lock (_lock)
        {
            answer = call();
        }

        if (After is { } after)
        {
            await after(method, name);
        }

        return answer;
    }

    private ETag Write(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata)
    {
        var stored = new Stored(content.ToArray(), new ETag($"{++_version:x}"), time.GetUtcNow(), metadata is null ? null : new Dictionary<string, string>(metadata));
        _blobs[name] = stored;
        return stored.ETag;
    }

    private BlobEntry ToEntry(string name, Stored stored) =>
        new() { Name = name, ETag = stored.ETag, Length = stored.Content.Length, Age = Age(stored), AsOf = time.GetUtcNow(), Metadata = stored.Metadata };

    private Blob ToBlob(string name, Stored stored) => new()
    {
        Name = name,
        ETag = stored.ETag,
        Length = stored.Content.Length,
        Age = Age(stored),
        AsOf = time.GetUtcNow(),
        Metadata = stored.Metadata,
        Content = stored.Content,
    };

    private TimeSpan Age(Stored stored) => TimeSpan.FromTicks(Math.Max(0, (time.GetUtcNow() - stored.Written).Ticks));

    private sealed record Stored(byte[] Content, ETag ETag, DateTimeOffset Written, Dictionary<string, string>? Metadata);
}
