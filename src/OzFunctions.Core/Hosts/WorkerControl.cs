using System.Text.Json;
using OzFunctions.Blobs;

namespace OzFunctions.Hosts;

/// <summary>Which workers are paused, for all their hosts: <c>control.json</c>.</summary>
public sealed class WorkerControl(IBlobStore blobs)
{
    private const string Name = "control.json";
    private const int MostTries = 20;

    public async Task<IReadOnlyList<string>> GetPausedAsync(CancellationToken cancellationToken) =>
        await blobs.FindAsync(Name, cancellationToken) is { } blob ? Read(blob) : [];

    /// <summary>Pauses or resumes; answers whether that changed anything.</summary>
    public async Task<bool> SetPausedAsync(string workerId, bool paused, CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var blob = await blobs.FindAsync(Name, cancellationToken);
            var known = blob is null ? [] : Read(blob);
            if (known.Contains(workerId) == paused)
            {
                return false;
            }

            string[] next = paused ? [.. known, workerId] : [.. known.Where(other => other != workerId)];
            var content = JsonSerializer.SerializeToUtf8Bytes(new WorkerControlBlob(next), HostJson.Default.WorkerControlBlob);
            if ((blob is null
                ? await blobs.TryCreateAsync(Name, content, null, cancellationToken)
                : await blobs.TryReplaceAsync(Name, content, null, blob.ETag, cancellationToken)) is not null)
            {
                return true;
            }
        }

        throw new BlobStoreException("control.json changed again and again while it was to be written; try again.", isTransient: true, null);
    }

    private static IReadOnlyList<string> Read(Blob blob)
    {
        try
        {
            return JsonSerializer.Deserialize(blob.Content.Span, HostJson.Default.WorkerControlBlob)?.Paused ?? [];
        }
        catch (JsonException ex)
        {
            throw new BlobStoreException("control.json is not what OzFunctions wrote; delete it, then pause workers again.", isTransient: false, ex);
        }
    }
}
