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

    /// <summary>The first line wanted, of the first attempt read. Default: 1.</summary>
    public long From { get; init; } = 1;

    /// <summary>Goes on with what is appended until the run (or the one attempt) is over.</summary>
    public bool Follow { get; init; }

    /// <summary>Time between two looks while following. Default: 250 ms.</summary>
    public TimeSpan PollEvery { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary><see cref="Progress"/> is asked at most this often. Default: 1 s.</summary>
    public TimeSpan AskEvery { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>How far a run is.</summary>
/// <param name="Attempt">Number of the current or last attempt; 0 before the first.</param>
/// <param name="GoesOn">The run is not terminal.</param>
public readonly record struct RunProgress(int Attempt, bool GoesOn)
{
    public static RunProgress Of(RunRecord run) => new(run.Attempt, !run.State.IsTerminal());
}
