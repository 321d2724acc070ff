using System.Text.Json;
using Microsoft.Extensions.Logging;
using OzFunctions.Artifacts;
using OzFunctions.Blobs;
using OzFunctions.Runs;
using OzFunctions.Settlement;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>
/// Moves finished runs from a spool into the store: log and artifacts first, then the record, then the event. Killed anywhere it is repeated from the start, and the
/// first end that stands there wins.
/// </summary>
internal static partial class SpoolTransfer
{
    private const int PageSize = 100;

    /// <summary>The runs that a spool holds and that are over; a spool that is the store itself has nothing to send.</summary>
    public static async Task<IReadOnlyList<RunId>> FindWaitingAsync(OzCore source, OzCore target, CancellationToken cancellationToken)
    {
        var waiting = new List<RunId>();
        if (source.Ports.StoreId == target.Ports.StoreId)
        {
            return waiting;
        }

        string? continuation = null;
        do
        {
            var page = await source.Records.ListAsync(continuation, PageSize, unreadable: null, cancellationToken);
            waiting.AddRange(page.Runs.Where(run => run.State.IsTerminal()).Select(run => run.RunId));
            continuation = page.Continuation;
        }
        while (continuation is not null);
        return waiting;
    }

    /// <summary>Sends these runs of one spool; answers how many of them the store refuses, which stay.</summary>
    /// <param name="sent">Gets the runs that were sent, also where a later one could not be.</param>
    public static async Task<int> SendAsync(
        OzCore source, OzCore target, IReadOnlyList<RunId> waiting, List<RunId> sent, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var logger = loggers.CreateLogger("OzFunctions.Cli");
        var refused = 0;
        foreach (var runId in waiting)
        {
            try
            {
                if (await source.Records.FindAsync(runId, cancellationToken) is { } run)
                {
                    await SendAsync(source, target, run, logger, cancellationToken);
                    sent.Add(runId);
                }
            }
            catch (UnreadableRecordException ex)
            {
                // It stays for a version that can; the others need not wait for that.
                NotRead(logger, runId, ex);
            }
            catch (Exception ex) when (ex is ArgumentException or BlobStoreException { IsTransient: false })
            {
                // Nor for what the store will not take of this one, today or tomorrow. A store that takes nothing at all says so here.
                await target.Ports.Blobs.FindEntryAsync(RunBlobs.Record(runId), cancellationToken);
                refused++;
                Refused(logger, runId, ex.Message);
            }
        }

        return refused;
    }

    private static async Task SendAsync(OzCore source, OzCore target, StoredRun run, ILogger logger, CancellationToken cancellationToken)
    {
        var (from, to, runId) = (source.Ports.Blobs, target.Ports.Blobs, run.Record.RunId);

        // Nothing is owed in the spool itself; its marker may have outlived its process.
        await source.Outbox.PublishAsync(runId, cancellationToken);
        var artifacts = RunBlobs.Artifact(runId, run.Record.Attempt, "");
        var collected = await ArtifactManifests.ReadAsync(from, runId, run.Record.Attempt, cancellationToken);
        var types = collected.Artifacts.ToLookup(entry => artifacts + entry.Path, entry => entry.ContentType, StringComparer.Ordinal);
        var (data, leftOut) = (new List<string>(), new HashSet<string>(StringComparer.Ordinal));
        await foreach (var blob in from.ListAllAsync(RunBlobs.DataOf(runId), cancellationToken))
        {
            data.Add(blob.Name);
            try
            {
                await CopyAsync(from, to, blob, types[blob.Name].FirstOrDefault() ?? TypeOf(blob.Name), cancellationToken);
            }
            catch (ArgumentException) when (blob.Name.StartsWith(artifacts, StringComparison.Ordinal))
            {
                // As where it is collected: one file must not cost the run.
                LeftOut(logger, blob.Name[artifacts.Length..], runId);
                leftOut.Add(blob.Name[artifacts.Length..]);
            }
        }

        await to.PutAsync(RunBlobs.Active(runId), ReadOnlyMemory<byte>.Empty, cancellationToken);
        var manifest = await LeaveOutAsync(to, run.Record, leftOut, cancellationToken);
        var owed = await target.OwedPublishers.FindAsync(run.Record.WorkerId, cancellationToken);
        var record = Readdress(target, leftOut.Count == 0 ? run.Record : Recount(run.Record, manifest), manifest, owed);
        if (!await target.Records.TryCreateAsync(record, cancellationToken, unique: false))
        {
            // Sent before; or the first write of that call, which it had given up waiting for, has landed since: a run that nobody carries on.
            var update = await target.Records.UpdateAsync(runId, null, known => known.State.IsTerminal() ? RecordDecision.Done : RecordDecision.Write(record), cancellationToken);
            if (!update.IsDone)
            {
                throw new BlobStoreException($"The record of run {runId} could not be written.", isTransient: true, null);
            }
        }

        await target.Outbox.PublishAsync(runId, cancellationToken);

        // The record last: until it is gone a repeat finds everything it needs.
        foreach (var name in data)
        {
            await from.TryDeleteAsync(name, match: null, cancellationToken);
        }

        await from.TryDeleteAsync(RunBlobs.Record(runId), match: null, cancellationToken);
    }

    /// <summary>Its event names places in the spool: it is rendered anew for the store it is in now, under the same id.</summary>
    private static RunRecord Readdress(OzCore target, RunRecord record, ArtifactManifest manifest, IReadOnlyList<OutboxEntry> owed)
    {
        record = record with { Outbox = owed };
        using var document = JsonDocument.Parse(target.Events.Completed(record, manifest.Artifacts).Json);
        return record with { Event = document.RootElement.Clone() };
    }

    /// <summary>The manifest as it stands in the store once it says what is missing there.</summary>
    private static async Task<ArtifactManifest> LeaveOutAsync(IBlobStore to, RunRecord record, HashSet<string> leftOut, CancellationToken cancellationToken)
    {
        var manifest = await ArtifactManifests.ReadAsync(to, record.RunId, record.Attempt, cancellationToken);
        if (leftOut.Count == 0)
        {
            return manifest;
        }

        manifest = new()
        {
            Artifacts = [.. manifest.Artifacts.Select(entry => leftOut.Contains(entry.Path) ? new ArtifactEntry { Path = entry.Path, Bytes = entry.Bytes, LeftOut = ArtifactEntry.NoSuchName } : entry)],
        };
        using var content = new MemoryStream(JsonSerializer.SerializeToUtf8Bytes(manifest, RunJson.Wire.ArtifactManifest), writable: false);
        await to.UploadAsync(RunBlobs.Manifest(record.RunId, record.Attempt), content, "application/json", null, cancellationToken);
        return manifest;
    }

    /// <summary>The record's figures, by a manifest of which files were left out since they were counted.</summary>
    private static RunRecord Recount(RunRecord record, ArtifactManifest manifest)
    {
        if (record.CurrentAttempt is not { Artifacts: { } counted } attempt)
        {
            return record;
        }

        var kept = manifest.Artifacts.Where(entry => entry.LeftOut is null).ToList();
        attempt = attempt with { Artifacts = new(kept.Count, kept.Sum(entry => entry.Bytes), counted.LeftOut + counted.Count - kept.Count) };
        return record with { Attempts = [.. record.Attempts.SkipLast(1), attempt] };
    }

    private static async Task CopyAsync(IBlobStore from, IBlobStore to, BlobEntry blob, string type, CancellationToken cancellationToken)
    {
        await using var content = await from.OpenReadAsync(blob.Name, 0, null, cancellationToken);
        if (content is not null)
        {
            await to.UploadAsync(blob.Name, content, type, blob.Metadata, cancellationToken);
        }
    }

    /// <summary>Of logs and manifests, and of what no manifest speaks of.</summary>
    private static string TypeOf(string name) =>
        name.EndsWith(".ndjson", StringComparison.Ordinal) ? "application/x-ndjson" : name.EndsWith(".json", StringComparison.Ordinal) ? "application/json" : "application/octet-stream";

    [LoggerMessage(LogLevel.Warning, "Run {RunId}, which 'ozf exec' kept on this machine, is not sent: its record there or in the store cannot be read")]
    private static partial void NotRead(ILogger logger, RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Warning, "Run {RunId}, which 'ozf exec' kept on this machine, is not sent and stays here: {Problem}")]
    private static partial void Refused(ILogger logger, RunId runId, string problem);

    [LoggerMessage(LogLevel.Warning, "The file {Path} of run {RunId}, which 'ozf exec' kept on this machine, is left out: the store takes no such name")]
    private static partial void LeftOut(ILogger logger, string path, RunId runId);
}
