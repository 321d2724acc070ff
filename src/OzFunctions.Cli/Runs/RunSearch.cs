using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Runs;

/// <summary>Finds the run a person means: by its whole id, or by eight or more characters of its beginning or end.</summary>
internal static class RunSearch
{
    private const int LeastCharacters = 8;
    private const int PageSize = 500;

    /// <summary>How many of the newest runs an abbreviation is looked for in.</summary>
    private const int Searched = 5_000;

    public static Task<RunRecord> GetAsync(IRunDesk desk, string text, CancellationToken cancellationToken) =>
        GetAsync(desk.Place, desk.FindAsync, (from, token) => desk.ListAsync(RunWish.All, from, PageSize, token), text, cancellationToken);

    public static Task<RunRecord> GetAsync(OzCore core, string text, CancellationToken cancellationToken) => GetAsync(
        "this store",
        async (runId, token) => (await core.Records.FindAsync(runId, token))?.Record,
        (from, token) => new RunListing(core.Records).ListAsync(from, PageSize, int.MaxValue, (runs, _) => Task.FromResult(runs), unreadable: null, token),
        text,
        cancellationToken);

    private static async Task<RunRecord> GetAsync(
        string place, Func<RunId, CancellationToken, Task<RunRecord?>> find, Func<ListCursor, CancellationToken, Task<RunListPage>> list, string text, CancellationToken cancellationToken)
    {
        var runId = RunId.TryParse(text.ToLowerInvariant(), out var whole) ? whole : await ExpandAsync(list, text.ToLowerInvariant(), cancellationToken);
        return await find(runId, cancellationToken) ?? throw CommandException.Usage($"there is no run {runId} in {place}.");
    }

    /// <summary>The ids of all of them, or none. One whose record cannot be read is there, too: what is done with it says what is wrong.</summary>
    public static async Task<IReadOnlyList<RunId>> FindAllAsync(OzCore core, IEnumerable<string> texts, CancellationToken cancellationToken)
    {
        var runs = new List<RunId>();
        foreach (var text in texts)
        {
            try
            {
                runs.Add((await GetAsync(core, text, cancellationToken)).RunId);
            }
            catch (UnreadableRecordException ex)
            {
                runs.Add(ex.RunId);
            }
        }

        return runs;
    }

    private static async Task<RunId> ExpandAsync(Func<ListCursor, CancellationToken, Task<RunListPage>> list, string text, CancellationToken cancellationToken)
    {
        if (text.Length < LeastCharacters || text.Any(character => !char.IsAsciiHexDigitLower(character) && character != '-'))
        {
            throw CommandException.Usage($"'{text}' is not a run id (36 characters, or at least {LeastCharacters} of its beginning or end).");
        }

        var found = new List<RunId>();
        ListCursor? next = default(ListCursor);
        var looked = 0;
        do
        {
            var page = await list(next.Value, cancellationToken);
            found.AddRange(page.Runs.Select(run => run.RunId).Where(id => id.Value.StartsWith(text, StringComparison.Ordinal) || id.Value.EndsWith(text, StringComparison.Ordinal)));
            looked += page.Runs.Count;
            next = page.Next;
        }
        while (next is not null && looked < Searched);

        return found switch
        {
            [var one] => one,
            [] => throw CommandException.Usage($"no run's id begins or ends with '{text}'."),
            _ => throw CommandException.Usage([$"'{text}' could be {found.Count} runs; give more of the id:", .. found.Take(5).Select(id => "  " + id)]),
        };
    }
}
