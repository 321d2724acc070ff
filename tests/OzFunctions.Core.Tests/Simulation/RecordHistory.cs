using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>Keeps every version of every record as the store takes it, so that a test can look at how a run came to its end and not only at the end.</summary>
internal sealed class RecordHistory(IBlobStore inner, World world) : WrappedBlobStore(inner)
{
    public override async Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Note(name, content, await Inner.TryCreateAsync(name, content, metadata, cancellationToken));

    public override async Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        Note(name, content, await Inner.TryReplaceAsync(name, content, metadata, match, cancellationToken));

    private ETag? Note(string name, ReadOnlyMemory<byte> content, ETag? written)
    {
        if (written is not null && RunBlobs.TryParseRecord(name, out _))
        {
            world.Versions.Enqueue(JsonSerializer.Deserialize(content.Span, RunJson.Wire.RunRecord)!);
        }

        return written;
    }
}
