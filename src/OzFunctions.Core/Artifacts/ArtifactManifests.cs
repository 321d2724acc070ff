using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Artifacts;

/// <summary>Reads what was kept of an attempt.</summary>
public static class ArtifactManifests
{
    /// <summary>Empty while nothing has been kept.</summary>
    public static async Task<ArtifactManifest> ReadAsync(IBlobStore blobs, RunId runId, int attempt, CancellationToken cancellationToken) =>
        attempt > 0 && await blobs.FindAsync(RunBlobs.Manifest(runId, attempt), cancellationToken) is { } blob
            ? JsonSerializer.Deserialize(blob.Content.Span, RunJson.Wire.ArtifactManifest)!
            : new() { Artifacts = [] };
}
