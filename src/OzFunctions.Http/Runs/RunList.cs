using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Text;
using OzFunctions.Http.Problems;
using OzFunctions.Runs;

namespace OzFunctions.Http.Runs;

/// <summary>Answers a list: filters look at the newest 10,000 runs a call, and the cursor goes on from there.</summary>
internal sealed class RunList(OzCore core)
{
    /// <summary>Most runs that one call looks at.</summary>
    private const int MostLookedAt = 10_000;

    /// <summary>Records read at once: hides a store's latency.</summary>
    private const int AtOnce = 16;

    private readonly RunListing _listing = new(core.Records);

    public async Task<(IReadOnlyList<RunRecord> Runs, string? Next)> FindAsync(RunFilter filter, CancellationToken cancellationToken)
    {
        var records = new ConcurrentDictionary<RunId, RunRecord>();
        return filter.Order == RunOrder.NewestFirst
            ? await NewestFirstAsync(filter, records, cancellationToken)
            : await SortedAsync(filter, records, cancellationToken);
    }

    private async Task<(IReadOnlyList<RunRecord>, string?)> NewestFirstAsync(RunFilter filter, ConcurrentDictionary<RunId, RunRecord> records, CancellationToken cancellationToken)
    {
        ListCursor from = default;
        if (filter.Cursor is { } text && !ListCursor.TryParse(text, out from))
        {
            throw BadCursor(text);
        }

        var page = await _listing.ListAsync(from, filter.Limit, MostLookedAt, Select(filter, records, filter.NeedsRecords), unreadable: null, cancellationToken);
        await ReadAsync(page.Runs, records, cancellationToken);
        return (Known(page.Runs, records), page.Next?.ToString());
    }

    /// <summary>Every match of one stretch of 10,000 is sorted; the cursor names the stretch and the last one shown, then the next stretch.</summary>
    private async Task<(IReadOnlyList<RunRecord>, string?)> SortedAsync(RunFilter filter, ConcurrentDictionary<RunId, RunRecord> records, CancellationToken cancellationToken)
    {
        var (from, after) = filter.Cursor is { } text ? SortedCursor.Parse(text) ?? throw BadCursor(text) : new SortedCursor(default, null);
        var stretch = await _listing.ListAsync(from, int.MaxValue, MostLookedAt, Select(filter, records, needsRecords: true), unreadable: null, cancellationToken);
        var order = filter.Order;
        var sorted = Known(stretch.Runs, records).Select(run => (Key: order.KeyOf(run), Id: run.RunId, Run: run)).ToList();
        sorted.Sort((one, other) => order.Compare((one.Key, one.Id), (other.Key, other.Id)));
        var rest = sorted.Where(run => after is not { } last || order.Compare((run.Key, run.Id), last) > 0).Take(filter.Limit + 1).ToList();
        var shown = rest.Take(filter.Limit).ToList();
        var next = rest.Count > shown.Count ? new SortedCursor(from, (shown[^1].Key, shown[^1].Id))
            : stretch.Next is { } onward ? new SortedCursor(onward, null)
            : null;
        return ([.. shown.Select(run => run.Run)], next?.ToString());
    }

    private Func<IReadOnlyList<RunSummary>, CancellationToken, Task<IReadOnlyList<RunSummary>>> Select(
        RunFilter filter, ConcurrentDictionary<RunId, RunRecord> records, bool needsRecords) => async (runs, cancellationToken) =>
        {
            var fitting = runs.Where(filter.Fits).ToList();
            if (!needsRecords)
            {
                return fitting;
            }

            await ReadAsync(fitting, records, cancellationToken);
            return [.. fitting.Where(run => records.TryGetValue(run.RunId, out var record) && filter.Fits(record))];
        };

    private Task ReadAsync(IEnumerable<RunSummary> runs, ConcurrentDictionary<RunId, RunRecord> records, CancellationToken cancellationToken) => Parallel.ForEachAsync(
        runs.Where(run => !records.ContainsKey(run.RunId)),
        new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
        async (run, cancellationToken) =>
        {
            try
            {
                if (await core.Records.FindAsync(run.RunId, cancellationToken) is { Record: var record })
                {
                    records[run.RunId] = record;
                }
            }
            catch (UnreadableRecordException)
            {
                // The tick names it; a list of the others is worth more than none.
            }
        });

    private static IReadOnlyList<RunRecord> Known(IReadOnlyList<RunSummary> runs, ConcurrentDictionary<RunId, RunRecord> records) =>
        [.. runs.Select(run => records.GetValueOrDefault(run.RunId)).OfType<RunRecord>()];

    private static ApiException BadCursor(string text) => ApiException.Invalid("cursor", text, "must be the next_cursor of an earlier list with the same filters and order");

    private sealed record SortedCursor(ListCursor From, (string Key, RunId Id)? After)
    {
        public static SortedCursor? Parse(string text)
        {
            try
            {
                var parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(text)).Split('\n', 4);
                if (parts.Length != 4 || parts[0] != "sorted" || (parts[1].Length > 0 && !ListCursor.TryParse(parts[1], out _)))
                {
                    return null;
                }

                _ = ListCursor.TryParse(parts[1], out var from);
                return parts[2].Length == 0 ? new(from, null) : RunId.TryParse(parts[2], out var id) ? new(from, (parts[3], id)) : null;
            }
            catch (FormatException)
            {
                return null;
            }
        }

        public override string ToString() => Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"sorted\n{(From.Last is null ? "" : From.ToString())}\n{After?.Id}\n{After?.Key}"));
    }
}
