namespace OzFunctions.Shim.Protocol;

/// <summary>What the commands of one attempt may use. Null: no limit.</summary>
public sealed record ShimLimits
{
    /// <summary>Bytes of memory of all processes together.</summary>
    public long? Memory { get; init; }

    /// <summary>Processes at a time.</summary>
    public int? Processes { get; init; }

    /// <summary>Processors, as in 1.5.</summary>
    public double? Cpu { get; init; }

    /// <summary>Open files of one process; soft and hard limit.</summary>
    public int? OpenFiles { get; init; }

    /// <summary>Bytes of a core file. Null: none is written.</summary>
    public long? Core { get; init; }

    public int? Nice { get; init; }

    /// <summary>Null: 500, so that the kernel takes commands before shim and host.</summary>
    public int? OomScoreAdj { get; init; }

    /// <summary>Bytes on disk of all <see cref="Measured"/> directories together.</summary>
    public long? Workspace { get; init; }

    /// <summary>Bytes of output a second; ten seconds' worth may come at once.</summary>
    public long? LogRate { get; init; }

    /// <summary>Time over which a sampled <see cref="Cpu"/> is averaged. Default: 60 seconds.</summary>
    public TimeSpan CpuWindow { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Directories that <see cref="Workspace"/> is about.</summary>
    public IReadOnlyList<string> Measured { get; init; } = [];

    /// <summary>A cgroup v2 directory that is delegated to this user and holds no process: the attempt gets a group of its own below it. Null: limits are sampled.</summary>
    public string? CgroupParent { get; init; }

    /// <summary>Whether anything is limited that a control group or a sample can hold.</summary>
    internal bool NeedsTree => Memory is not null || Processes is not null || Cpu is not null;
}

/// <summary>The account that commands run as; only a shim of root can change to it.</summary>
public sealed record ShimUser(string Name, int Uid, int Gid, IReadOnlyList<int> Groups);

/// <summary>Names of limits, as in the configuration, in statuses and in records.</summary>
public static class LimitName
{
    public const string Memory = "memory";
    public const string Processes = "processes";
    public const string Cpu = "cpu";
    public const string OpenFiles = "open_files";
    public const string Core = "core";
    public const string Nice = "nice";
    public const string OomScoreAdj = "oom_score_adj";
    public const string Workspace = "workspace";
    public const string LogRate = "log_rate";
}

/// <summary>What holds a limit.</summary>
public static class LimitMechanism
{
    /// <summary>The kernel, for the attempt's control group.</summary>
    public const string Cgroup = "cgroup";

    /// <summary>The shim looks at the tree every quarter of a second, and stops it.</summary>
    public const string Sampled = "sampled";

    /// <summary>The kernel, for each process.</summary>
    public const string Process = "process";

    /// <summary>The shim walks the directories every few seconds.</summary>
    public const string Measured = "measured";

    /// <summary>The shim counts what it reads.</summary>
    public const string Counted = "counted";
}
