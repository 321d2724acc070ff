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

    /// <summary>Sends what one spool holds; one that is the store itself has nothing to send.</summary>
    /// <param name="sent">Gets the runs that were sent, also where a later one could not be.</param>
    public static async Task SendAsync(OzCore source, OzCore target, List<RunId> sent, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (source.Ports.StoreId == target.Ports.StoreId)
        {
            return;
        }

        var logger = loggers.CreateLogger("OzFunctions.Cli");
        var waiting = new List<RunId>();
        string? continuation = null;
        do
        {
            var page = await source.Records.ListAsync(continuation, PageSize, unreadable: null, cancellationToken);
            waiting.AddRange(page.Runs.Where(run => run.State.IsTerminal()).Select(run => run.RunId));
            continuation = page.Continuation;
        }
        while (continuation is not null);

        foreach (var runId in waiting)
        {
            try
            {
                if (await source.Records.FindAsync(runId, cancellationToken) is { } run)
                {
                    await SendAsync(source, target, run, cancellationToken);
                    sent.Add(runId);
                }
            }
            catch (UnreadableRecordException ex)
            {
                // It stays for a version that can; the others need not wait for that.
                NotRead(logger, runId, ex);
            }
        }
    }

    private static async Task SendAsync(OzCore source, OzCore target, StoredRun run, CancellationToken cancellationToken)
    {
        var (from, to, runId) = (source.Ports.Blobs, target.Ports.Blobs, run.Record.RunId);

        // Nothing is owed in the spool itself; its marker may have outlived its process.
        await source.Outbox.PublishAsync(runId, cancellationToken);
        var data = new List<string>();
        await foreach (var blob in from.ListAllAsync($"data/{runId}/", cancellationToken))
        {
            data.Add(blob.Name);
            await CopyAsync(from, to, blob, cancellationToken);
        }

        await to.PutAsync(RunBlobs.Active(runId), ReadOnlyMemory<byte>.Empty, cancellationToken);
        var manifest = await ArtifactManifests.ReadAsync(to, runId, run.Record.Attempt, cancellationToken);
        var owed = await target.OwedPublishers.FindAsync(run.Record.WorkerId, cancellationToken);
        var record = Readdress(target, run.Record, manifest, owed);
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
    private static RunRecord Readdress(OzCore target, RunRecord record, ArtifactManifest manifest, IReadOnlyList<string> owed)
    {
        record = record with { Outbox = [.. owed.Select(name => new OutboxEntry(name, 0))] };
        using var document = JsonDocument.Parse(target.Events.Completed(record, manifest.Artifacts).Json);
        return record with { Event = document.RootElement.Clone() };
    }

    private static async Task CopyAsync(IBlobStore from, IBlobStore to, BlobEntry blob, CancellationToken cancellationToken)
    {
        await using var content = await from.OpenReadAsync(blob.Name, 0, null, cancellationToken);
        if (content is not null)
        {
            var type = blob.Name.EndsWith(".ndjson", StringComparison.Ordinal) ? "application/x-ndjson" : blob.Name.EndsWith(".json", StringComparison.Ordinal) ? "application/json" : "application/octet-stream";
            await to.UploadAsync(blob.Name, content, type, blob.Metadata, cancellationToken);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Run {RunId}, which 'ozf exec' kept on this machine, is not sent: its record there or in the store cannot be read")]
    private static partial void NotRead(ILogger logger, RunId runId, Exception exception);
}
