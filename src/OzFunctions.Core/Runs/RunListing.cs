using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace OzFunctions.Runs;

/// <summary>Lists runs newest first, a page at a time, through filters.</summary>
public sealed class RunListing(RunRecords records)
{
    private const int PageSize = 200;

    /// <param name="from">Where an earlier list ended.</param>
    /// <param name="most">Most runs to answer.</param>
    /// <param name="mostLookedAt">Most runs to look at: a rare match must not walk through everything in one call. The answer's cursor goes on from there.</param>
    /// <param name="select">Which of some runs fit, in the same order.</param>
    public async Task<RunListPage> ListAsync(
        ListCursor from, int most, int mostLookedAt, Func<IReadOnlyList<RunSummary>, CancellationToken, Task<IReadOnlyList<RunSummary>>> select,
        Action<UnreadableRecordException>? unreadable, CancellationToken cancellationToken)
    {
        var runs = new List<RunSummary>();
        var (continuation, last) = (from.Continuation, from.Last);
        var looked = 0;
        while (true)
        {
            var page = await records.ListAsync(continuation, PageSize, unreadable, cancellationToken);
            var fresh = page.Runs.Where(run => last is not { } seen || string.CompareOrdinal(RunBlobs.Record(run.RunId), RunBlobs.Record(seen)) > 0).Take(mostLookedAt - looked).ToList();
            foreach (var run in await select(fresh, cancellationToken))
            {
                if (runs.Count == most)
                {
                    // One more than asked for: there is a next page.
                    return new(runs, new(continuation, runs[^1].RunId));
                }

                runs.Add(run);
            }

            looked += fresh.Count;
            if (looked >= mostLookedAt && fresh.Count > 0)
            {
                return new(runs, new(continuation, fresh[^1].RunId));
            }

            if (page.Continuation is null)
            {
                return new(runs, null);
            }

            continuation = page.Continuation;
        }
    }
}

/// <summary>A page of a list of runs; <see cref="Next"/> null: there are no more.</summary>
public sealed record RunListPage(IReadOnlyList<RunSummary> Runs, ListCursor? Next);

/// <summary>Where a list ended: the store's page, and the last run of it that was looked at. New runs come before it and do not shift it.</summary>
public readonly record struct ListCursor(string? Continuation, RunId? Last)
{
    public static bool TryParse([NotNullWhen(true)] string? text, out ListCursor cursor)
    {
        cursor = default;
        try
        {
            var parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(text)).Split('\n', 2);
            if (parts.Length == 2 && RunId.TryParse(parts[0], out var last))
            {
                cursor = new(parts[1].Length == 0 ? null : parts[1], last);
                return true;
            }
        }
        catch (FormatException)
        {
            // Not one of ours.
        }

        return false;
    }

    public override string ToString() => Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{Last}\n{Continuation}"));
}
