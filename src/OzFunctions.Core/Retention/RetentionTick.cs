using Microsoft.Extensions.Logging;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Retention;

/// <summary>
/// The tick's share of retention (T6): an hour after the last walk through the list of runs it begins the next, a page and at most a few removals a tick, so that a
/// large clean-up is spread over many ticks and holds up nothing. Several hosts may walk at once; a run that is gone already is passed over.
/// </summary>
public sealed partial class RetentionTick(OzPorts ports, OldRuns old, RunRemoval removal, RetentionOptions options, ILogger<RetentionTick> logger)
{
    private const int MostRemovals = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromHours(1);

    private string? _continuation;
    private long? _walked;

    public async Task TickAsync(CancellationToken cancellationToken)
    {
        if (options.Runs is not { } kept || (_walked is { } walked && _continuation is null && ports.Time.GetElapsedTime(walked) < Pause))
        {
            return;
        }

        var page = await old.ReadPageAsync(_continuation, ports.Time.GetUtcNow() - kept, unreadable: null, cancellationToken);
        _walked = ports.Time.GetTimestamp();
        var (removed, bytes, tried) = (0, 0L, 0);
        foreach (var runId in page.Runs)
        {
            var answer = await TryRemoveAsync(runId, cancellationToken);
            if (answer is { Result: RemovalResult.Removed })
            {
                (removed, bytes) = (removed + 1, bytes + answer.Bytes);
            }

            if (++tried == MostRemovals && removed > 0)
            {
                break;
            }
        }

        if (removed > 0)
        {
            Removed(removed, bytes);
        }

        // The rest of a page is looked at again; what is left of it by then is less.
        _continuation = tried < page.Runs.Count ? _continuation : page.Continuation;
        if (tried < page.Runs.Count)
        {
            _walked = null;
        }
    }

    /// <summary>Null: its record cannot be read, and is left for a person.</summary>
    private async Task<RemovalAnswer?> TryRemoveAsync(RunId runId, CancellationToken cancellationToken)
    {
        try
        {
            return await removal.RemoveAsync(runId, cancellationToken);
        }
        catch (UnreadableRecordException)
        {
            return null;
        }
    }

    [LoggerMessage(LogLevel.Information, "Retention removed {Count} ended runs, {Bytes} bytes of logs and artifacts")]
    private partial void Removed(int count, long bytes);
}

/// <summary>What is removed by itself.</summary>
public sealed record RetentionOptions
{
    /// <summary>How long ended runs are kept, at least a day. Default: for ever.</summary>
    public TimeSpan? Runs { get; init; }
}
