using System.Collections.Concurrent;
using OzFunctions.Blobs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>A store in a world whose clock is moved: ages grow by as much as the world moved since the blob was written, and by nothing else. However slow the machine is on which this runs, nobody is dead, and no marker old, before the world says so.</summary>
internal sealed class ShiftedAges(IBlobStore inner, ShiftedTimeProvider clock) : WrappedBlobStore(inner)
{
    private readonly ConcurrentDictionary<string, TimeSpan> _written = new(StringComparer.Ordinal);

    public override async Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => await Inner.FindAsync(name, cancellationToken) is { } blob ? blob with { Age = AgeOf(blob) } : null;

    public override async Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) =>
        await Inner.FindChangeAsync(name, known, cancellationToken) is { Blob: { } blob } change ? change with { Blob = blob with { Age = AgeOf(blob) } } : BlobChange.None;

    public override async Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) =>
        await Inner.FindEntryAsync(name, cancellationToken) is { } entry ? entry with { Age = AgeOf(entry) } : null;

    public override Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Note(name, Inner.TryCreateAsync(name, content, metadata, cancellationToken), etag => etag is not null);

    public override Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        Note(name, Inner.TryReplaceAsync(name, content, metadata, match, cancellationToken), etag => etag is not null);

    public override Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => Note(name, Inner.PutAsync(name, content, cancellationToken), _ => true);

    public override Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        Note(name, Inner.TryAppendAsync(name, offset, content, cancellationToken), done => done);

    public override Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Note(name, Inner.UploadAsync(name, content, contentType, metadata, cancellationToken), _ => true);

    public override async Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken)
    {
        var page = await Inner.ListAsync(prefix, continuation, most, cancellationToken);
        return page with { Entries = [.. page.Entries.Select(entry => entry with { Age = AgeOf(entry) })] };
    }

    private TimeSpan AgeOf(BlobEntry entry) => clock.Shifted - _written.GetValueOrDefault(entry.Name);

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
