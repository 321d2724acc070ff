using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Retention;

/// <summary>
/// The tick's share of retention (T6): an hour after the last walk through the list of runs it begins the next. A tick looks at a few runs, removes fewer and deletes so many files, so that neither a
/// large clean-up, nor a run with very many artifacts, nor many runs that may not go yet hold up what else it does. Several hosts may walk at once; a run that is gone already is passed over.
/// </summary>
public sealed partial class RetentionTick(OzPorts ports, RunRecords records, OldRuns old, RunRemoval removal, RetentionOptions options, ILogger<RetentionTick> logger)
{
    private const int MostRemovals = 20;

    /// <summary>Of all runs of a tick: one may have 100,000 artifacts, and meanwhile this host starts no schedule and settles no lost run.</summary>
    private const int MostFiles = 500;

    /// <summary>A run that may not go yet costs three reads, and there may be a fortnight of them.</summary>
    private const int MostLooks = 100;

    private static readonly TimeSpan Pause = TimeSpan.FromHours(1);

    /// <summary>What is left of the page that was read last.</summary>
    private readonly Queue<RunId> _page = new();
    private readonly LeftFiles _left = new(ports.Blobs, records, ports.Time);

    private string? _continuation;
    private long _unfinishedBytes;
    private (RunId RunId, string Message)? _problem;
    private long? _walked;

    public async Task TickAsync(CancellationToken cancellationToken)
    {
        if (options.Runs is not { } kept)
        {
            return;
        }

        if (_page.Count > 0 || await TryTurnAsync(kept, cancellationToken))
        {
            await RemoveSomeAsync(cancellationToken);
        }

        if (await _left.RemoveAsync(kept, cancellationToken) is { Files: > 0 } left)
        {
            LeftRemoved(left.Files, left.Bytes);
        }
    }

    private async Task RemoveSomeAsync(CancellationToken cancellationToken)
    {
        var (removed, bytes) = (0, 0L);
        var budget = new FileBudget(MostFiles);
        for (var looks = 0; looks < MostLooks && removed < MostRemovals && budget.Left > 0 && _page.TryPeek(out var runId); looks++)
        {
            var answer = await TryRemoveAsync(runId, budget, cancellationToken);
            if (answer is { Result: RemovalResult.Unfinished })
            {
                _unfinishedBytes += answer.Bytes;
                break;
            }

            if (answer is { Result: RemovalResult.Removed })
            {
                (removed, bytes) = (removed + 1, bytes + _unfinishedBytes + answer.Bytes);
            }

            // Only now: one that an outage cut off, or that has more files than a tick deletes, is the next tick's first.
            _page.Dequeue();
            _unfinishedBytes = 0;
        }

        if (removed > 0)
        {
            Removed(removed, bytes);
        }

        if (_problem is { } problem)
        {
            // One for all of this tick: what keeps one from going may keep thousands.
            NotRemoved(problem.RunId, problem.Message);
            _problem = null;
        }
    }

    /// <summary>Reads the next page, or the first one again after a pause. False: it is not time yet.</summary>
    private async Task<bool> TryTurnAsync(TimeSpan kept, CancellationToken cancellationToken)
    {
        if (_continuation is null && _walked is { } walked && ports.Time.GetElapsedTime(walked) < Pause)
        {
            return false;
        }

        var page = await old.ReadPageAsync(_continuation, ports.Time.GetUtcNow() - kept, unreadable: null, cancellationToken);
        (_walked, _continuation) = (ports.Time.GetTimestamp(), page.Continuation);
        foreach (var runId in page.Runs)
        {
            _page.Enqueue(runId);
        }

        return true;
    }

    /// <summary>Null: its record cannot be read, or something of it cannot be removed; it is left for a person, and keeps none of the others. An outage ends the tick.</summary>
    private async Task<RemovalAnswer?> TryRemoveAsync(RunId runId, FileBudget budget, CancellationToken cancellationToken)
    {
        try
        {
            return await removal.RemoveAsync(runId, budget, cancellationToken);
        }
        catch (UnreadableRecordException)
        {
            return null;
        }
        catch (Exception ex) when (ex is not (OperationCanceledException or BlobStoreException { IsTransient: true }))
        {
            _problem ??= (runId, ex.Message);
            return null;
        }
    }

    [LoggerMessage(LogLevel.Information, "Retention removed {Count} ended runs, {Bytes} bytes of logs and artifacts")]
    private partial void Removed(int count, long bytes);

    [LoggerMessage(LogLevel.Information, "Retention removed {Count} files, {Bytes} bytes, that were written after their runs had been removed")]
    private partial void LeftRemoved(int count, long bytes);

    [LoggerMessage(LogLevel.Warning, "Old runs could not be removed, {RunId} for one: {Problem} They are tried again in an hour.")]
    private partial void NotRemoved(RunId runId, string problem);
}

/// <summary>What is removed by itself.</summary>
public sealed record RetentionOptions
{
    /// <summary>How long ended runs are kept, at least a day. Default: for ever.</summary>
    public TimeSpan? Runs { get; init; }
}
