using System.Text.Json;
using System.Text.Json.Serialization;

namespace OzFunctions.Runs;

/// <summary>Everything from one claim to its end.</summary>
public sealed record AttemptRecord
{
    /// <summary>1, 2, … and never reused.</summary>
    public required int Attempt { get; init; }

    public required string HostId { get; init; }

    /// <summary>Machine name.</summary>
    public string? Host { get; init; }

    public DateTimeOffset? ClaimedAt { get; init; }

    /// <summary>The concurrency key that the attempt's host gave it, as its runs share one directory; null: the request's own, or none.</summary>
    public string? ConcurrencyKey { get; init; }

    /// <summary>When the agent was started.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    public RunState? State { get; init; }

    public RunReason? Reason { get; init; }

    public string? Message { get; init; }

    /// <summary>The agent's exit code; absent when it ended by a signal or never started.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Name of the signal that ended the agent, <c>SIGKILL</c>.</summary>
    public string? Signal { get; init; }

    public StoppedBy? StoppedBy { get; init; }

    public string? OzRunId { get; init; }

    public string? OzRunUrl { get; init; }

    public string? SessionUrl { get; init; }

    public IReadOnlyList<PullRequest>? PullRequests { get; init; }

    public PhaseDurations? Durations { get; init; }

    /// <summary>What held each limit that was set: <c>cgroup</c>, <c>sampled</c>, <c>process</c>, <c>measured</c> or <c>counted</c> by the limit's name.</summary>
    public IReadOnlyDictionary<string, string>? Limits { get; init; }

    public long? PeakMemoryBytes { get; init; }

    public double? CpuSeconds { get; init; }

    public string? AgentVersion { get; init; }

    /// <summary>
    /// SHA-256 of what the attempt's private directory holds to be masked, a random number in it: the agent may reach that file, and a host that adopts trusts no other. From
    /// the agent's start to its end.
    /// </summary>
    public string? MasksSha256 { get; init; }

    public TeardownResult? Teardown { get; init; }

    public LogSummary? Log { get; init; }

    public ArtifactSummary? Artifacts { get; init; }

    public IReadOnlyList<string>? Warnings { get; init; }
}

[JsonConverter(typeof(StoppedByConverter))]
public enum StoppedBy
{
    Cancel,
    Timeout,
    Silence,
    Finished,
    Limit,
    Shutdown,
    Lease,
}

internal sealed class StoppedByConverter() : JsonStringEnumConverter<StoppedBy>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

public sealed record PullRequest(string Url, string? Branch = null);

/// <summary>Seconds spent in each phase; absent when the phase was not reached.</summary>
public sealed record PhaseDurations
{
    public TimeSpan? Queued { get; init; }

    public TimeSpan? Setup { get; init; }

    public TimeSpan? Agent { get; init; }

    public TimeSpan? Artifacts { get; init; }

    public TimeSpan? Teardown { get; init; }
}

public sealed record TeardownResult(bool Ran, int? ExitCode = null);

/// <summary>The log as it stands in storage; <see cref="Sealed"/> false: its last lines may be missing.</summary>
public sealed record LogSummary
{
    public required long Lines { get; init; }

    public required long Bytes { get; init; }

    public string? Sha256 { get; init; }

    public required bool Sealed { get; init; }

    public long CutBytes { get; init; }
}

public sealed record ArtifactSummary(int Count, long Bytes, int LeftOut);
