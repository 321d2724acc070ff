using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Hosts;

/// <summary>X2: one small blob per host that says which of its runs are to be cancelled. A hint: the wish itself stands in the record.</summary>
public sealed class HostSignals(IBlobStore blobs)
{
    private const int MostTries = 20;

    /// <summary>A host lives for months and reads its signals every second; what it had no time to see stands in the record.</summary>
    private const int MostKept = 500;

    public async Task AddCancelsAsync(string hostId, IReadOnlyList<RunId> runs, CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var blob = await blobs.FindAsync(NameOf(hostId), cancellationToken);
            var known = blob is null ? [] : Read(blob);
            var added = runs.Except(known).ToList();
            if (added.Count == 0)
            {
                return;
            }

            var content = JsonSerializer.SerializeToUtf8Bytes(new HostSignal([.. known.Concat(added).TakeLast(MostKept)]), HostJson.Default.HostSignal);
            if ((blob is null
                ? await blobs.TryCreateAsync(NameOf(hostId), content, null, cancellationToken)
                : await blobs.TryReplaceAsync(NameOf(hostId), content, null, blob.ETag, cancellationToken)) is not null)
            {
                return;
            }
        }
    }

    /// <summary>What is signalled now; unchanged since <paramref name="known"/>: null.</summary>
    internal async Task<(IReadOnlyList<RunId> Cancel, ETag ETag)?> FindChangeAsync(string hostId, ETag? known, CancellationToken cancellationToken)
    {
        var blob = known is { } etag
            ? (await blobs.FindChangeAsync(NameOf(hostId), etag, cancellationToken)).Blob
            : await blobs.FindAsync(NameOf(hostId), cancellationToken);
        return blob is null ? null : (Read(blob), blob.ETag);
    }

    internal async Task ForgetAsync(string hostId, CancellationToken cancellationToken) =>
        await blobs.TryDeleteAsync(NameOf(hostId), match: null, cancellationToken);

    private static string NameOf(string hostId) => $"signals/{hostId}.json";

    private static IReadOnlyList<RunId> Read(Blob blob)
    {
        try
        {
            return JsonSerializer.Deserialize(blob.Content.Span, HostJson.Default.HostSignal)?.Cancel ?? [];
        }
        catch (JsonException)
        {
            // The record carries the wish; hosts read it with every heartbeat.
            return [];
        }
    }
}
