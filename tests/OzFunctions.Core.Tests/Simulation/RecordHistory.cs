using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>Keeps every version of every record as the store takes it, so that a test can look at how a run came to its end and not only at the end.</summary>
internal sealed class RecordHistory(IBlobStore inner, World world) : IBlobStore
{
    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => inner.FindAsync(name, cancellationToken);

    public Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) => inner.FindChangeAsync(name, known, cancellationToken);

    public Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) => inner.FindEntryAsync(name, cancellationToken);

    public async Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Note(name, content, await inner.TryCreateAsync(name, content, metadata, cancellationToken));

    public async Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        Note(name, content, await inner.TryReplaceAsync(name, content, metadata, match, cancellationToken));

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.PutAsync(name, content, cancellationToken);

    public Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.TryAppendAsync(name, offset, content, cancellationToken);

    public Task FlushAsync(string name, CancellationToken cancellationToken) => inner.FlushAsync(name, cancellationToken);

    public Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken) => inner.OpenReadAsync(name, offset, count, cancellationToken);

    public Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        inner.UploadAsync(name, content, contentType, metadata, cancellationToken);

    public Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken) => inner.ListAsync(prefix, continuation, most, cancellationToken);

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) => inner.TryDeleteAsync(name, match, cancellationToken);

    public Uri GetAddress(string name) => inner.GetAddress(name);

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => inner.FindReadLinkAsync(name, lifetime, cancellationToken);

    private ETag? Note(string name, ReadOnlyMemory<byte> content, ETag? written)
    {
        if (written is not null && RunBlobs.TryParseRecord(name, out _))
        {
            world.Versions.Enqueue(JsonSerializer.Deserialize(content.Span, RunJson.Wire.RunRecord)!);
        }

        return written;
    }
}
