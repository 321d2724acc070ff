using System.Runtime.CompilerServices;
using OzFunctions.Runs;

namespace OzFunctions.Retention;

/// <summary>Finds runs that ended before a time, by what listings tell.</summary>
public sealed class OldRuns(RunRecords records)
{
    /// <summary>All of them, newest first.</summary>
    /// <param name="unreadable">Told of each record that cannot be read; it is left alone.</param>
    public async IAsyncEnumerable<RunId> FindAsync(
        DateTimeOffset endedBefore, Action<UnreadableRecordException>? unreadable, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? continuation = null;
        do
        {
            var page = await ReadPageAsync(continuation, endedBefore, unreadable, cancellationToken);
            foreach (var runId in page.Runs)
            {
                yield return runId;
            }

            continuation = page.Continuation;
        }
        while (continuation is not null);
    }

    /// <summary>Those of one page of the list of runs.</summary>
    internal async Task<(IReadOnlyList<RunId> Runs, string? Continuation)> ReadPageAsync(
        string? continuation, DateTimeOffset endedBefore, Action<UnreadableRecordException>? unreadable, CancellationToken cancellationToken)
    {
        var page = await records.ListAsync(continuation, 1000, unreadable, cancellationToken);
        return ([.. page.Runs.Where(run => run.State.IsTerminal() && run.FinishedAt < endedBefore).Select(run => run.RunId)], page.Continuation);
    }
}
