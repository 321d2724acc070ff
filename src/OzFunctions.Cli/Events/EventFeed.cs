using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Events;

/// <summary>Terminal runs with their stored events: those of the past, then each new one once.</summary>
internal sealed class EventFeed(OzCore core)
{
    /// <summary>Runs newer than this many that end between two looks are found by listing, older ones by their marker in <c>active/</c>.</summary>
    private const int Newest = 200;

    private readonly HashSet<RunId> _shown = [];
    private HashSet<RunId> _open = [];

    /// <summary>The last <paramref name="most"/> runs that ended, oldest first.</summary>
    public async Task<IReadOnlyList<RunRecord>> ReadPastAsync(int most, CancellationToken cancellationToken)
    {
        _open = await ListOpenAsync(cancellationToken);
        var ended = new List<RunSummary>();
        string? continuation = null;
        do
        {
            var page = await core.Records.ListAsync(continuation, 500, unreadable: null, cancellationToken);
            ended.AddRange(page.Runs.Where(run => run.State.IsTerminal()));
            continuation = page.Continuation;
        }
        while (continuation is not null);

        _shown.UnionWith(ended.Select(run => run.RunId));
        var last = ended.OrderByDescending(run => run.FinishedAt ?? run.CreatedAt).Take(most).Reverse();
        return await ReadAsync(last.Select(run => run.RunId), cancellationToken);
    }

    /// <summary>Runs that ended since the last call.</summary>
    public async Task<IReadOnlyList<RunRecord>> ReadNewAsync(CancellationToken cancellationToken)
    {
        var open = await ListOpenAsync(cancellationToken);
        var page = await core.Records.ListAsync(null, Newest, unreadable: null, cancellationToken);
        var candidates = page.Runs.Where(run => run.State.IsTerminal()).Select(run => run.RunId).Concat(_open).Concat(open).Where(id => !_shown.Contains(id)).Distinct();
        var ended = (await ReadAsync(candidates, cancellationToken)).OrderBy(run => run.FinishedAt).ToList();
        _shown.UnionWith(ended.Select(run => run.RunId));
        _open = open;
        return ended;
    }

    private async Task<HashSet<RunId>> ListOpenAsync(CancellationToken cancellationToken)
    {
        var open = new HashSet<RunId>();
        await foreach (var entry in core.Ports.Blobs.ListAllAsync(RunBlobs.ActivePrefix, cancellationToken))
        {
            if (RunId.TryParse(entry.Name[RunBlobs.ActivePrefix.Length..], out var runId))
            {
                open.Add(runId);
            }
        }

        return open;
    }

    private async Task<List<RunRecord>> ReadAsync(IEnumerable<RunId> ids, CancellationToken cancellationToken)
    {
        var ended = new List<RunRecord>();
        foreach (var runId in ids)
        {
            try
            {
                if (await core.Records.FindAsync(runId, cancellationToken) is { Record: { Event: not null } record } && record.State.IsTerminal())
                {
                    ended.Add(record);
                }
            }
            catch (UnreadableRecordException)
            {
                // Named by the tick; it has no event that could be read.
            }
        }

        return ended;
    }
}
