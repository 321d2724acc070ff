using System.Text.Json.Nodes;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>A store that breaks one promise on purpose, to see that a test notices.</summary>
internal abstract class BrokenStore(IBlobStore inner) : IBlobStore
{
    protected IBlobStore Inner => inner;

    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => inner.FindAsync(name, cancellationToken);

    public Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) => inner.FindChangeAsync(name, known, cancellationToken);

    public Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) => inner.FindEntryAsync(name, cancellationToken);

    public virtual Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        inner.TryCreateAsync(name, content, metadata, cancellationToken);

    public virtual Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        inner.TryReplaceAsync(name, content, metadata, match, cancellationToken);

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
}

/// <summary>Takes every write, whatever its condition.</summary>
internal sealed class UnconditionalStore(IBlobStore inner) : BrokenStore(inner)
{
    public override async Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        await Inner.PutAsync(name, content, cancellationToken);
}

/// <summary>Drops the event from a record that ends.</summary>
internal sealed class EventlessStore(IBlobStore inner) : BrokenStore(inner)
{
    public override Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken)
    {
        if (RunBlobs.TryParseRecord(name, out _) && JsonNode.Parse(content.Span) is JsonObject record && record.Remove("event"))
        {
            content = System.Text.Encoding.UTF8.GetBytes(record.ToJsonString());
        }

        return base.TryReplaceAsync(name, content, metadata, match, cancellationToken);
    }
}
