using System.Text.Json;
using OzFunctions.Blobs;

namespace OzFunctions.Hosts;

/// <summary>What is said about workers for all their hosts, and by them: who is paused, and which publishers are owed the events of whose runs. <c>control.json</c>.</summary>
public sealed class WorkerControl(IBlobStore blobs)
{
    private const string Name = "control.json";
    private const int MostTries = 20;

    public async Task<IReadOnlyList<string>> GetPausedAsync(CancellationToken cancellationToken) => (await FindAsync(cancellationToken)).Content.Paused;

    /// <summary>Pauses or resumes; answers whether that changed anything.</summary>
    public Task<bool> SetPausedAsync(string workerId, bool paused, CancellationToken cancellationToken) => UpdateAsync(
        known => known.Paused.Contains(workerId) == paused
            ? null
            : known with { Paused = paused ? [.. known.Paused, workerId] : [.. known.Paused.Where(other => other != workerId)] },
        cancellationToken);

    /// <summary>Names of publishers by worker. One whose hosts never said it is not there.</summary>
    public async Task<IReadOnlyDictionary<string, IReadOnlyList<string>>> GetPublishersAsync(CancellationToken cancellationToken) =>
        (await FindAsync(cancellationToken)).Content.Publishers ?? new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Says which publishers the hosts of a worker have; the host that started last is right. Writes only what is new.</summary>
    public Task<bool> SetPublishersAsync(string workerId, IReadOnlyList<string> publishers, CancellationToken cancellationToken) => UpdateAsync(
        known => known.Publishers?.GetValueOrDefault(workerId) is { } there && there.SequenceEqual(publishers)
            ? null
            : known with { Publishers = new Dictionary<string, IReadOnlyList<string>>(known.Publishers ?? new Dictionary<string, IReadOnlyList<string>>()) { [workerId] = publishers } },
        cancellationToken);

    private async Task<bool> UpdateAsync(Func<WorkerControlBlob, WorkerControlBlob?> change, CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var (known, etag) = await FindAsync(cancellationToken);
            if (change(known) is not { } next)
            {
                return tries > 0;
            }

            var content = JsonSerializer.SerializeToUtf8Bytes(next, HostJson.Default.WorkerControlBlob);
            if ((etag is { } match
                ? await blobs.TryReplaceAsync(Name, content, null, match, cancellationToken)
                : await blobs.TryCreateAsync(Name, content, null, cancellationToken)) is not null)
            {
                return true;
            }
        }

        throw new BlobStoreException("control.json changed again and again while it was to be written; try again.", isTransient: true, null);
    }

    private async Task<(WorkerControlBlob Content, ETag? ETag)> FindAsync(CancellationToken cancellationToken)
    {
        if (await blobs.FindAsync(Name, cancellationToken) is not { } blob)
        {
            return (new([]), null);
        }

        try
        {
            return (JsonSerializer.Deserialize(blob.Content.Span, HostJson.Default.WorkerControlBlob) is { } control ? control with { Paused = control.Paused ?? [] } : new([]), blob.ETag);
        }
        catch (JsonException ex)
        {
            throw new BlobStoreException("control.json is not what OzFunctions wrote; delete it, then pause workers again.", isTransient: false, ex);
        }
    }
}
