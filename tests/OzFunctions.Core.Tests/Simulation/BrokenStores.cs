using System.Text.Json.Nodes;
using OzFunctions.Blobs;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>Takes every write, whatever its condition.</summary>
internal sealed class UnconditionalStore(IBlobStore inner) : WrappedBlobStore(inner)
{
    public override async Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        await Inner.PutAsync(name, content, cancellationToken);
}

/// <summary>Drops the event from a record that ends.</summary>
internal sealed class EventlessStore(IBlobStore inner) : WrappedBlobStore(inner)
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

/// <summary>Forgets which keys there are: each creation of one succeeds.</summary>
internal sealed class KeylessStore(IBlobStore inner) : WrappedBlobStore(inner)
{
    public override async Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        name.StartsWith("keys/", StringComparison.Ordinal)
            ? await Inner.PutAsync(name, content, cancellationToken)
            : await Inner.TryCreateAsync(name, content, metadata, cancellationToken);
}
