using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Events;

/// <summary>
/// Terminal runs with their stored events: those of the past, then each new one once. A look costs the listing of <c>active/</c>, that of the newest runs, and at most one page of
/// older ones; only records of runs that ended since the last look are read.
/// </summary>
internal sealed class EventFeed(OzCore core)
{
    /// <summary>So many of the newest runs each look lists at least: what <c>ozf sync</c> sends was accepted before it came.</summary>
    private const int Newest = 200;

    private const int PageSize = 1000;

    /// <summary>A run may be in the store so long after the time in its id: clocks of submitters differ, and their writes take time.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(1);

    /// <summary>Nothing more is to be shown of them.</summary>
    private readonly HashSet<RunId> _done = [];

    /// <summary>The markers of the last look.</summary>
    private Dictionary<RunId, ETag> _open = [];

    /// <summary>Unix milliseconds: who was accepted after this may not have been there at the last look.</summary>
    private long _since;

    /// <summary>Where the next look lists the older ones on; null: from the beginning.</summary>
    private string? _older;

    /// <summary>The last <paramref name="most"/> runs that ended, oldest first.</summary>
    public async Task<IReadOnlyList<RunRecord>> ReadPastAsync(int most, CancellationToken cancellationToken)
    {
        var now = core.Ports.Time.GetUtcNow();
        _open = await ListOpenAsync(cancellationToken);
        var listed = new List<RunSummary>();
        string? continuation = null;
        do
        {
            continuation = await ListAsync(continuation, PageSize, listed, cancellationToken);
        }
        while (continuation is not null);

        _since = Since(now, listed);
        var ended = listed.Where(run => run.State.IsTerminal()).ToList();
        _done.UnionWith(ended.Select(run => run.RunId));
        var last = ended.OrderByDescending(run => run.FinishedAt ?? run.CreatedAt).Take(most).Reverse();
        return await ReadAsync(last.Select(run => run.RunId), [], cancellationToken);
    }

    /// <summary>Runs that ended since the last call.</summary>
    public async Task<IReadOnlyList<RunRecord>> ReadNewAsync(CancellationToken cancellationToken)
    {
        var now = core.Ports.Time.GetUtcNow();
        var open = await ListOpenAsync(cancellationToken);

        // After the markers: who is alive in this list still had one, and is met without it later.
        var listed = new List<RunSummary>();
        string? continuation = null;
        do
        {
            continuation = await ListAsync(continuation, continuation is null ? Newest : PageSize, listed, cancellationToken);
        }
        while (continuation is not null && (listed.Count < Newest || listed[^1].RunId.Milliseconds >= _since));

        var since = Since(now, listed);
        var older = await ListOlderAsync(open.Keys, continuation, listed, cancellationToken);

        var known = listed.Select(run => run.RunId).ToHashSet();
        var changed = open.Where(marker => !known.Contains(marker.Key) && (!_open.TryGetValue(marker.Key, out var etag) || etag != marker.Value)).Select(marker => marker.Key);
        var candidates = listed.Where(run => run.State.IsTerminal()).Select(run => run.RunId)
            .Concat(_open.Keys.Where(id => !open.ContainsKey(id)))
            .Concat(changed)
            .Where(id => !_done.Contains(id)).Distinct();
        var done = new List<RunId>();
        var ended = (await ReadAsync(candidates, done, cancellationToken)).OrderBy(run => run.FinishedAt).ToList();
        _done.UnionWith(done);
        (_open, _since, _older) = (open, since, older);
        return ended;
    }

    /// <summary>By the clock here and by the ids, whichever is earlier: neither this clock nor a submitter's that is fast hides a run.</summary>
    private static long Since(DateTimeOffset now, List<RunSummary> listed) =>
        listed.Count == 0 ? 0 : Math.Min(now.ToUnixTimeMilliseconds(), listed[0].RunId.Milliseconds) - (long)Margin.TotalMilliseconds;

    /// <summary>
    /// A run may end and keep its marker for a day, while a receiver of its event is away. Behind the newest ones one page more is listed with each look, as far back as there are markers,
    /// then from the beginning; answers where to go on.
    /// </summary>
    private async Task<string?> ListOlderAsync(IEnumerable<RunId> open, string? continuation, List<RunSummary> listed, CancellationToken cancellationToken)
    {
        var oldest = open.Where(id => !_done.Contains(id)).Select(id => id.Milliseconds).DefaultIfEmpty(long.MaxValue).Min();
        if (continuation is null || (listed.Count > 0 && listed[^1].RunId.Milliseconds < oldest))
        {
            return null;
        }

        var next = await ListAsync(_older ?? continuation, PageSize, listed, cancellationToken);
        return listed.Count > 0 && listed[^1].RunId.Milliseconds < oldest ? null : next;
    }

    /// <summary>Adds a page of runs, newest first; answers where the next one begins.</summary>
    private async Task<string?> ListAsync(string? continuation, int most, List<RunSummary> listed, CancellationToken cancellationToken)
    {
        var page = await core.Records.ListAsync(continuation, most, unreadable: null, cancellationToken);
        listed.AddRange(page.Runs);
        return page.Continuation;
    }

    private async Task<Dictionary<RunId, ETag>> ListOpenAsync(CancellationToken cancellationToken)
    {
        var open = new Dictionary<RunId, ETag>();
        await foreach (var entry in core.Ports.Blobs.ListAllAsync(RunBlobs.ActivePrefix, cancellationToken))
        {
            if (RunId.TryParse(entry.Name[RunBlobs.ActivePrefix.Length..], out var runId))
            {
                open[runId] = entry.ETag;
            }
        }

        return open;
    }

    /// <summary>Those that ended and have an event.</summary>
    /// <param name="done">Gets those that need not be read again, also the ones without an event that could be shown.</param>
    private async Task<List<RunRecord>> ReadAsync(IEnumerable<RunId> ids, List<RunId> done, CancellationToken cancellationToken)
    {
        var ended = new List<RunRecord>();
        foreach (var runId in ids)
        {
            try
            {
                if (await core.Records.FindAsync(runId, cancellationToken) is not { Record: var record } || !record.State.IsTerminal())
                {
                    continue;
                }

                if (record.Event is not null)
                {
                    ended.Add(record);
                }
            }
            catch (UnreadableRecordException)
            {
                // Named by the tick; it has no event that could be read.
            }

            done.Add(runId);
        }

        return ended;
    }
}
