using System.Text.Json;
using System.Text.Json.Serialization;
using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Dispatch;

/// <summary>C6 and S8: who holds a concurrency key of a worker. A holder is a run and its attempt; one that is not live now never will be again.</summary>
public sealed class ConcurrencyLocks(IBlobStore blobs, RunRecords records)
{
    private const int MostTries = 50;

    /// <summary>Live holders other than this attempt, as the lock and their records say now.</summary>
    public async Task<IReadOnlyList<KeyHolder>> FindHoldersAsync(RunRecord run, string key, CancellationToken cancellationToken)
    {
        var blob = await blobs.FindAsync(NameOf(run, key), cancellationToken);
        return blob is null ? [] : await KeepLiveAsync(Read(blob), run, cancellationToken);
    }

    /// <summary>Adds the attempt to the holders when there is room for it. The run must be CLAIMED by that attempt.</summary>
    public async Task<bool> TryTakeAsync(RunRecord run, string key, int room, CancellationToken cancellationToken)
    {
        var (name, self) = (NameOf(run, key), new KeyHolder(run.RunId, run.Attempt));
        for (var tries = 0; tries < MostTries; tries++)
        {
            var blob = await blobs.FindAsync(name, cancellationToken);
            var holders = blob is null ? [] : Read(blob);
            if (holders.Contains(self))
            {
                return true;
            }

            var live = await KeepLiveAsync(holders, run, cancellationToken);
            if (live.Count >= room)
            {
                return false;
            }

            if (await TryWriteAsync(name, blob, [.. live, self], cancellationToken))
            {
                return true;
            }
        }

        throw new BlobStoreException($"The concurrency lock of run {run.RunId} changed {MostTries} times while it was to be taken.", isTransient: true, null);
    }

    /// <summary>S8: takes the attempt off the holders; the last one removes the lock.</summary>
    public Task ReleaseAsync(RunRecord run, int attempt, string? key, CancellationToken cancellationToken) =>
        key is null ? Task.CompletedTask : ReleaseAsync(NameOf(run, key), new KeyHolder(run.RunId, attempt).Equals, cancellationToken);

    /// <summary>S8 of a run that has ended: takes every attempt of it off the holders. One that was never claimed, or has no key, holds nothing.</summary>
    public async Task ReleaseAsync(RunRecord run, CancellationToken cancellationToken)
    {
        if (run.Attempt == 0)
        {
            return;
        }

        foreach (var key in run.Attempts.Select(attempt => attempt.ConcurrencyKey).Append(run.Request.ConcurrencyKey).OfType<string>().Distinct(StringComparer.Ordinal))
        {
            await ReleaseAsync(NameOf(run, key), holder => holder.RunId == run.RunId, cancellationToken);
        }
    }

    private async Task ReleaseAsync(string name, Predicate<KeyHolder> goes, CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            var blob = await blobs.FindAsync(name, cancellationToken);
            if (blob is null || Read(blob) is var holders && !Array.Exists(holders, goes))
            {
                return;
            }

            var rest = Array.FindAll(holders, holder => !goes(holder));
            if (rest.Length == 0 ? await blobs.TryDeleteAsync(name, blob.ETag, cancellationToken) : await TryWriteAsync(name, blob, rest, cancellationToken))
            {
                return;
            }
        }

        // A holder that is not live is dropped by whoever takes the key next; nothing is lost by leaving it.
    }

    private static string NameOf(RunRecord run, string key) => $"locks/{RunBlobs.Hash(run.WorkerId + "\n" + key)}.json";

    private static KeyHolder[] Read(Blob blob)
    {
        try
        {
            return JsonSerializer.Deserialize(blob.Content.Span, LockJson.Default.KeyLock)?.Holders ?? [];
        }
        catch (JsonException)
        {
            // A lock that nobody can read holds nobody: holders are checked against their records anyway.
            return [];
        }
    }

    private async Task<bool> TryWriteAsync(string name, Blob? known, KeyHolder[] holders, CancellationToken cancellationToken)
    {
        var content = JsonSerializer.SerializeToUtf8Bytes(new KeyLock(holders), LockJson.Default.KeyLock);
        return (known is null
            ? await blobs.TryCreateAsync(name, content, null, cancellationToken)
            : await blobs.TryReplaceAsync(name, content, null, known.ETag, cancellationToken)) is not null;
    }

    private async Task<IReadOnlyList<KeyHolder>> KeepLiveAsync(KeyHolder[] holders, RunRecord run, CancellationToken cancellationToken)
    {
        var live = new List<KeyHolder>();
        foreach (var holder in holders.Where(holder => holder != new KeyHolder(run.RunId, run.Attempt) || !run.State.IsOwned()))
        {
            if (await IsLiveAsync(holder, cancellationToken))
            {
                live.Add(holder);
            }
        }

        return live;
    }

    private async Task<bool> IsLiveAsync(KeyHolder holder, CancellationToken cancellationToken)
    {
        try
        {
            return await records.FindAsync(holder.RunId, cancellationToken) is { Record: var record } && record.State.IsOwned() && record.Attempt == holder.Attempt;
        }
        catch (UnreadableRecordException)
        {
            // Not "no record": it may be live.
            return true;
        }
    }
}

/// <summary>One attempt that holds a concurrency key.</summary>
public sealed record KeyHolder(RunId RunId, int Attempt);

internal sealed record KeyLock(KeyHolder[] Holders);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(KeyLock))]
internal sealed partial class LockJson : JsonSerializerContext;
