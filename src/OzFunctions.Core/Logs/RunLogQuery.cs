using OzFunctions.Blobs;
using OzFunctions.Runs;

namespace OzFunctions.Logs;

/// <summary>What to read of a run's log.</summary>
public sealed record RunLogQuery
{
    public required RunId RunId { get; init; }

    /// <summary>How far the run is; asked again while following.</summary>
    public required Func<CancellationToken, Task<RunProgress>> Progress { get; init; }

    /// <summary>Only this attempt; null: all, in order.</summary>
    public int? Attempt { get; init; }

    /// <summary>Where to begin when all attempts are read. Default: 1.</summary>
    public int FirstAttempt { get; init; } = 1;

    /// <summary>The first line wanted, of the first attempt read. Default: 1.</summary>
    public long From { get; init; } = 1;

    /// <summary>Goes on with what is appended until the run (or the one attempt) is over.</summary>
    public bool Follow { get; init; }

    /// <summary>Time between two looks while following. Default: 250 ms.</summary>
    public TimeSpan PollEvery { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary><see cref="Progress"/> is asked at most this often. Default: 1 s.</summary>
    public TimeSpan AskEvery { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The log of a run whose record says how far it is.</summary>
    public static RunLogQuery Of(RunRecords records, RunId runId, bool follow)
    {
        RunProgress? known = null;
        return new()
        {
            RunId = runId,
            Follow = follow,
            Progress = async cancellationToken =>
            {
                try
                {
                    var run = await records.FindAsync(runId, cancellationToken);
                    return (known = run is null ? new(known?.Attempt ?? 0, GoesOn: false) : RunProgress.Of(run.Record)).Value;
                }
                catch (BlobStoreException ex) when (ex.IsTransient && follow && known is not null)
                {
                    // Who follows waits until the store is back.
                    return known.Value;
                }
            },
        };
    }
}

/// <summary>How far a run is.</summary>
/// <param name="Attempt">Number of the current or last attempt; 0 before the first.</param>
/// <param name="GoesOn">The run is not terminal.</param>
public readonly record struct RunProgress(int Attempt, bool GoesOn)
{
    public static RunProgress Of(RunRecord run) => new(run.Attempt, !run.State.IsTerminal());
}
