using System.Collections.Concurrent;
using OzFunctions.Blobs;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>A store with a clock of its own, in a world whose clock is moved: ages grow by as much as the world moved since the blob was written.</summary>
internal sealed class ShiftedAges(IBlobStore inner, ShiftedTimeProvider clock) : IBlobStore
{
    private readonly ConcurrentDictionary<string, TimeSpan> _written = new(StringComparer.Ordinal);

    public async Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => await inner.FindAsync(name, cancellationToken) is { } blob ? blob with { Age = AgeOf(blob) } : null;

    public async Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) =>
        await inner.FindChangeAsync(name, known, cancellationToken) is { Blob: { } blob } change ? change with { Blob = blob with { Age = AgeOf(blob) } } : BlobChange.None;

    public async Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) =>
        await inner.FindEntryAsync(name, cancellationToken) is { } entry ? entry with { Age = AgeOf(entry) } : null;

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Note(name, inner.TryCreateAsync(name, content, metadata, cancellationToken), etag => etag is not null);

    public Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        Note(name, inner.TryReplaceAsync(name, content, metadata, match, cancellationToken), etag => etag is not null);

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => Note(name, inner.PutAsync(name, content, cancellationToken), _ => true);

    public Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        Note(name, inner.TryAppendAsync(name, offset, content, cancellationToken), done => done);

    public Task FlushAsync(string name, CancellationToken cancellationToken) => inner.FlushAsync(name, cancellationToken);

    public Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken) => inner.OpenReadAsync(name, offset, count, cancellationToken);

    public Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Note(name, inner.UploadAsync(name, content, contentType, metadata, cancellationToken), _ => true);

    public async Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken)
    {
        var page = await inner.ListAsync(prefix, continuation, most, cancellationToken);
        return page with { Entries = [.. page.Entries.Select(entry => entry with { Age = AgeOf(entry) })] };
    }

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) => inner.TryDeleteAsync(name, match, cancellationToken);

    public Uri GetAddress(string name) => inner.GetAddress(name);

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => inner.FindReadLinkAsync(name, lifetime, cancellationToken);

    private TimeSpan AgeOf(BlobEntry entry) => entry.Age + clock.Shifted - _written.GetValueOrDefault(entry.Name);

    private async Task<T> Note<T>(string name, Task<T> writing, Func<T, bool> written)
    {
        var answer = await writing;
        if (written(answer))
        {
            _written[name] = clock.Shifted;
        }

        return answer;
    }
}
