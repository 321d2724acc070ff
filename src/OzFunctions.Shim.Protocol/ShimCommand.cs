namespace OzFunctions.Shim.Protocol;

/// <summary>One command of an attempt, described completely: the shim adds nothing and takes nothing away.</summary>
public sealed record ShimCommand
{
    /// <summary>One of <see cref="ShimPhase"/>; also the tag of its output in the spool.</summary>
    public required string Phase { get; init; }

    /// <summary>argv; the first is an absolute path.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The whole environment as <c>NAME=value</c>.</summary>
    public required IReadOnlyList<string> Environment { get; init; }

    public required string WorkingDirectory { get; init; }

    /// <summary>Total time; null: no limit.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Time without output; null: no limit.</summary>
    public TimeSpan? SilenceTimeout { get; init; }

    /// <summary>Between SIGINT, SIGTERM and SIGKILL; at the end of the lease at most <see cref="StopLadder.LeaseGrace"/>.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Both pipes ended and the leader lives on (design section 8.5 b): after this it is stopped.</summary>
    public TimeSpan FinishedGrace { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>stdout goes to this file instead of the spool; null: spool. For commands whose output is data (git diff).</summary>
    public string? StdoutFile { get; init; }
}

/// <summary>Names of the phases, in the order in which they run.</summary>
public static class ShimPhase
{
    public const string Setup = "setup";
    public const string Agent = "agent";
    public const string Changes = "changes";
    public const string Teardown = "teardown";
}

/// <summary>Who asked for a stop; null in a status means nobody did.</summary>
public enum ShimStopCause
{
    Cancel,
    Timeout,
    Silence,
    Finished,
    Limit,
    Shutdown,
    Lease,
}
