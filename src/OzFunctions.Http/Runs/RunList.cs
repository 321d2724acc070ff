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

    public Task<(IReadOnlyList<RunRecord> Runs, string? Next)> FindAsync(RunFilter filter, CancellationToken cancellationToken) =>
        filter.Order == RunOrder.NewestFirst ? NewestFirstAsync(filter, cancellationToken) : SortedAsync(filter, cancellationToken);

    private async Task<(IReadOnlyList<RunRecord>, string?)> NewestFirstAsync(RunFilter filter, CancellationToken cancellationToken)
    {
        ListCursor from = default;
        if (filter.Cursor is { } text && !ListCursor.TryParse(text, out from))
        {
            throw BadCursor(text);
        }

        var records = new ConcurrentDictionary<RunId, RunRecord>();
        var page = await _listing.ListAsync(from, filter.Limit, MostLookedAt, Select(filter, filter.NeedsRecords, record => records[record.RunId] = record), unreadable: null, cancellationToken);
        await ReadAsync(page.Runs.Select(run => run.RunId).Where(run => !records.ContainsKey(run)), record => records[record.RunId] = record, cancellationToken);
        return ([.. page.Runs.Select(run => records.GetValueOrDefault(run.RunId)).OfType<RunRecord>()], page.Next?.ToString());
    }

    /// <summary>Every match of one stretch of 10,000 is sorted; the cursor names the stretch and the last one shown, then the next stretch.</summary>
    private async Task<(IReadOnlyList<RunRecord>, string?)> SortedAsync(RunFilter filter, CancellationToken cancellationToken)
    {
        var (from, after) = filter.Cursor is { } text ? SortedCursor.Parse(text) ?? throw BadCursor(text) : new SortedCursor(default, null);
        var order = filter.Order;

        // Keys only: whole records of a stretch could be gigabytes. What is shown is read again.
        var keys = new ConcurrentDictionary<RunId, string>();
        var stretch = await _listing.ListAsync(from, int.MaxValue, MostLookedAt, Select(filter, needsRecords: true, record => keys[record.RunId] = order.KeyOf(record)), unreadable: null, cancellationToken);
        var sorted = keys.Select(run => (Key: run.Value, Id: run.Key)).ToList();
        sorted.Sort(order.Compare);
        var rest = sorted.Where(run => after is not { } last || order.Compare(run, last) > 0).Take(filter.Limit + 1).ToList();
        var shown = rest.Take(filter.Limit).ToList();
        var next = rest.Count > shown.Count ? new SortedCursor(from, shown[^1])
            : stretch.Next is { } onward ? new SortedCursor(onward, null)
            : null;
        var records = new ConcurrentDictionary<RunId, RunRecord>();
        await ReadAsync(shown.Select(run => run.Id), record => records[record.RunId] = record, cancellationToken);
        return ([.. shown.Select(run => records.GetValueOrDefault(run.Id)).OfType<RunRecord>()], next?.ToString());
    }

    /// <param name="take">Told of each record that was read and fits; called from several threads. All others are let go at once.</param>
    private Func<IReadOnlyList<RunSummary>, CancellationToken, Task<IReadOnlyList<RunSummary>>> Select(RunFilter filter, bool needsRecords, Action<RunRecord> take) =>
        async (runs, cancellationToken) =>
        {
            var fitting = runs.Where(filter.Fits).ToList();
            if (!needsRecords)
            {
                return fitting;
            }

            var taken = new ConcurrentDictionary<RunId, bool>();
            await ReadAsync(
                fitting.Select(run => run.RunId),
                record =>
                {
                    if (filter.Fits(record))
                    {
                        take(record);
                        taken[record.RunId] = true;
                    }
                },
                cancellationToken);
            return [.. fitting.Where(run => taken.ContainsKey(run.RunId))];
        };

    private Task ReadAsync(IEnumerable<RunId> runs, Action<RunRecord> take, CancellationToken cancellationToken) => Parallel.ForEachAsync(
        runs,
        new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
        async (runId, cancellationToken) =>
        {
            try
            {
                if (await core.Records.FindAsync(runId, cancellationToken) is { Record: var record })
                {
                    take(record);
                }
            }
            catch (UnreadableRecordException)
            {
                // The tick names it; a list of the others is worth more than none.
            }
        });

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
