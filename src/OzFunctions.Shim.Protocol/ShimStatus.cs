using System.Text.Json.Serialization;

namespace OzFunctions.Shim.Protocol;

/// <summary>What the shim knows, also kept durably in <c>status.json</c> in the private directory.</summary>
public sealed record ShimStatus
{
    /// <summary>Version of status and messages; a host speaks this one and the one before.</summary>
    public required int Version { get; init; }

    public required int Pid { get; init; }

    /// <summary>Field 22 of <c>/proc/&lt;pid&gt;/stat</c>: with pid and boot id the process' identity.</summary>
    public required long StartTicks { get; init; }

    /// <summary><c>/proc/sys/kernel/random/boot_id</c>.</summary>
    public required string BootId { get; init; }

    /// <summary>The number in the hard limit RLIMIT_LOCKS by which its processes are found (facts/shim.md section 8).</summary>
    public required long Tag { get; init; }

    /// <summary>The lease ended: no start and no renewal is taken any more.</summary>
    public bool LeaseOver { get; init; }

    /// <summary>Which mechanism holds each limit that is set: <see cref="LimitName"/> to <see cref="LimitMechanism"/>. Since version 2; null: no limit.</summary>
    public IReadOnlyDictionary<string, string>? Limits { get; init; }

    /// <summary>The control group of the attempt's commands. Since version 2; null: none.</summary>
    public string? Cgroup { get; init; }

    /// <summary>Started commands in order.</summary>
    public IReadOnlyList<ShimCommandStatus> Commands { get; init; } = [];

    public ShimCommandStatus? Find(string phase) => Commands.FirstOrDefault(command => command.Phase == phase);
}

/// <summary>State of one command.</summary>
public sealed record ShimCommandStatus
{
    public required string Phase { get; init; }

    /// <summary>Leader's pid; 0 when it could not be executed.</summary>
    public int Pid { get; init; }

    public long StartTicks { get; init; }

    public DateTimeOffset StartedAt { get; init; }

    /// <summary>errno of the failed execution (2: no such program); 0: executed.</summary>
    public int SpawnError { get; init; }

    /// <summary>Whether the command is over, its descendants are ended and its output is complete.</summary>
    public bool Ended { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    public int? ExitCode { get; init; }

    /// <summary>Number of the signal that ended the leader.</summary>
    public int? Signal { get; init; }

    /// <summary>What a script is told as exit code: 128 + n after a signal, as a shell would say.</summary>
    [JsonIgnore]
    public int? ShellCode => Signal is { } signal ? 128 + signal : ExitCode;

    /// <summary>Who stopped it; null: it ended by itself.</summary>
    public ShimStopCause? StoppedBy { get; init; }

    /// <summary>The figure behind a stop, in words (which limit, how long silent); null: none.</summary>
    public string? StopDetail { get; init; }

    /// <summary>Which limit it passed, a <see cref="LimitName"/>. Since version 2; null: none.</summary>
    public string? Limit { get; init; }

    /// <summary>Largest resident size of one process, in bytes.</summary>
    public long PeakMemoryBytes { get; init; }

    public double CpuSeconds { get; init; }

    /// <summary>False: some descendants could not be ended; their pids are in <see cref="LeftOver"/>.</summary>
    public bool Clean { get; init; } = true;

    public IReadOnlyList<int> LeftOver { get; init; } = [];

    /// <summary>
    /// How long the leader ran, by the clock that stands still while the machine sleeps, as the command's timeout does. Since version 2, but not from the first; null: not told.
    /// </summary>
    public double? RanSeconds { get; init; }

    /// <summary>
    /// The leader ended by itself when no more was left of its time than the grace, so that an agent that was told its deadline left at it; never where the grace is most of
    /// its time. Since version 2, but not from the first.
    /// </summary>
    public bool LeftAtDeadline { get; init; }

    /// <summary>How many processes were still there when the leader had ended and were ended.</summary>
    public int EndedDescendants { get; init; }
}
