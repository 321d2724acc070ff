using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Ticks;

/// <summary>
/// Makes the markers again from the records, where a power cut may have taken them: markers and index entries are not synced. The tick does the rest.
/// </summary>
public sealed class IndexRepair(OzPorts ports, RunRecords records)
{
    /// <summary>A run that ended this shortly before the last sign of life may have an event that was sent and not synced: it is sent again.</summary>
    private static readonly TimeSpan Unsynced = TimeSpan.FromMinutes(10);

    private const int PageSize = 1000;

    /// <summary>Looks at every record; answers how many markers were missing.</summary>
    public async Task<int> RepairAsync(CancellationToken cancellationToken)
    {
        var marked = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var entry in ports.Blobs.ListAllAsync(RunBlobs.ActivePrefix, cancellationToken))
        {
            marked.Add(entry.Name);
        }

        var missing = new List<RunId>();
        var ended = new List<RunSummary>();
        var lastSign = DateTimeOffset.MinValue;
        string? continuation = null;
        do
        {
            var page = await records.ListAsync(continuation, PageSize, unreadable: null, cancellationToken);
            foreach (var run in page.Runs)
            {
                lastSign = Later(lastSign, run.FinishedAt ?? run.CreatedAt);
                if (marked.Contains(RunBlobs.Active(run.RunId)))
                {
                    continue;
                }

                if (run.State.IsTerminal())
                {
                    ended.Add(run);
                }
                else
                {
                    missing.Add(run.RunId);
                }
            }

            ended.RemoveAll(run => run.FinishedAt < lastSign - Unsynced);
            continuation = page.Continuation;
        }
        while (continuation is not null);

        missing.AddRange(ended.Select(run => run.RunId));
        foreach (var runId in missing)
        {
            await ports.Blobs.PutAsync(RunBlobs.Active(runId), ReadOnlyMemory<byte>.Empty, cancellationToken);
        }

        return missing.Count;
    }

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;
}
