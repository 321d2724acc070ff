using System.Collections.Concurrent;
using OzFunctions.Blobs;

namespace OzFunctions.Direct.Tests;

/// <summary>A store in memory that can be made unreachable.</summary>
internal sealed class MemoryBlobs : IBlobStore
{
    private readonly ConcurrentDictionary<string, (byte[] Content, int Version)> _blobs = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private int _version;

    /// <summary>Every call throws while it is true.</summary>
    public bool IsDown { get; set; }

    /// <summary>What every call throws; null: it is done.</summary>
    public BlobStoreException? Fault { get; set; }

    /// <summary>What an upload of this name throws, once its content was read; null: it is taken.</summary>
    public Func<string, Exception?> Refuses { get; set; } = _ => null;

    /// <summary>What an append to this name throws; null: it is done.</summary>
    public Func<string, BlobStoreException?> RefusesAppend { get; set; } = _ => null;

    /// <summary>No call is answered before this is over.</summary>
    public Task Answers { get; set; } = Task.CompletedTask;

    public IEnumerable<string> Names => _blobs.Keys.Order(StringComparer.Ordinal);

    public string Text(string name) => System.Text.Encoding.UTF8.GetString(_blobs[name].Content);

    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => Do(() =>
        _blobs.TryGetValue(name, out var blob) ? new Blob { Name = name, ETag = Tag(blob.Version), Length = blob.Content.Length, Age = TimeSpan.Zero, Content = blob.Content } : null);

    public async Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) =>
        await FindAsync(name, cancellationToken) is var blob && blob?.ETag == known ? BlobChange.None : new BlobChange(true, blob);

    public async Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) => await FindAsync(name, cancellationToken);

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Do<ETag?>(() => _blobs.ContainsKey(name) ? null : Set(name, content.ToArray()));

    public Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        Do<ETag?>(() => _blobs.TryGetValue(name, out var blob) && Tag(blob.Version) == match ? Set(name, content.ToArray()) : null);

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => Do(() => Set(name, content.ToArray()));

    public Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => Do(() =>
    {
        if (RefusesAppend(name) is { } refusal)
        {
            throw refusal;
        }

        var before = _blobs.TryGetValue(name, out var blob) ? blob.Content : [];
        if (before.Length != offset)
        {
            return false;
        }

        Set(name, [.. before, .. content.Span]);
        return true;
    });

    public Task FlushAsync(string name, CancellationToken cancellationToken) => Do(() => true);

    public Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken) => Do<Stream?>(() =>
    {
        if (!_blobs.TryGetValue(name, out var blob))
        {
            return null;
        }

        var start = (int)Math.Min(offset, blob.Content.Length);
        return new MemoryStream(blob.Content, start, (int)Math.Min(count ?? long.MaxValue, blob.Content.Length - start), writable: false);
    });

    public async Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
    {
        using var copy = new MemoryStream();
        await content.CopyToAsync(copy, cancellationToken);
        if (Refuses(name) is { } refusal)
        {
            throw refusal;
        }

        var tag = await PutAsync(name, copy.ToArray(), cancellationToken);
        return new BlobEntry { Name = name, ETag = tag, Length = copy.Length, Age = TimeSpan.Zero };
    }

    public Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken) => Do(() => new BlobPage(
        [.. Names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Select(name => new BlobEntry { Name = name, ETag = Tag(_blobs[name].Version), Length = _blobs[name].Content.Length, Age = TimeSpan.Zero })],
        null));

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) => Do(() => _blobs.TryRemove(name, out _) || true);

    public Uri GetAddress(string name) => new($"memory:///{name}");

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => Task.FromResult<Uri?>(null);

    private async Task<T> Do<T>(Func<T> work)
    {
        await Answers;
        return await DoNow(work);
    }

    private Task<T> DoNow<T>(Func<T> work)
    {
        lock (_gate)
        {
            return Fault is { } fault ? Task.FromException<T>(fault) : IsDown ? Task.FromException<T>(new BlobStoreException("The store is down for this test.", isTransient: true, null)) : Task.FromResult(work());
        }
    }

    private ETag Set(string name, byte[] content)
    {
        _blobs[name] = (content, ++_version);
        return Tag(_version);
    }

    private static ETag Tag(int version) => new($"\"{version}\"");
}
