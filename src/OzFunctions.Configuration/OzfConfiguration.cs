using OzFunctions.Schedules;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Configuration;

/// <summary>The whole configuration (design section 12), checked. Null means not given: the default depends on the command.</summary>
internal sealed record OzfConfiguration
{
    /// <summary>Default: <c>local</c>.</summary>
    public string? WorkerId { get; init; }

    /// <summary>False keeps every workspace. Default: true.</summary>
    public bool Cleanup { get; init; } = true;

    /// <summary>0: unlimited. Default: 0 for <c>ozf worker</c>, the cores for <c>ozf up</c>.</summary>
    public int? MaxConcurrentTasks { get; init; }

    /// <summary>Default for runs that do not say. Default: 0 s.</summary>
    public TimeSpan IdleOnComplete { get; init; } = TimeSpan.Zero;

    public DirectConfiguration Direct { get; init; } = new();

    /// <summary>How long a silent host keeps its runs; 2 minutes to 24 hours. Default: 10 minutes.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromMinutes(10);

    public LimitsConfiguration Limits { get; init; } = new();

    /// <summary><c>retention.runs</c>: how long ended runs are kept, at least a day. Default: for ever.</summary>
    public TimeSpan? KeepRuns { get; init; }

    /// <summary>What <c>{"secret":"NAME"}</c> and <c>${secret:NAME}</c> in requests stand for.</summary>
    public IReadOnlyList<NamedSecret> Secrets { get; init; } = [];

    public PolicyConfiguration Policy { get; init; } = new();

    public StorageConfiguration? Storage { get; init; }

    /// <summary>Directory of the plain files. Default: see <c>--data</c>.</summary>
    public string? Data { get; init; }

    public IReadOnlyList<EventConfiguration> Events { get; init; } = [];

    public IReadOnlyList<ConfiguredSchedule> Schedules { get; init; } = [];

    public IReadOnlyList<WebhookConfiguration> Webhooks { get; init; } = [];

    public IReadOnlyList<ApiKeyConfiguration> ApiKeys { get; init; } = [];

    /// <summary>Where the API is reached from outside, for links. Without a slash at the end.</summary>
    public string? PublicUrl { get; init; }

    /// <summary>Where each given key came from, by its dotted path; a key that is not here has its default.</summary>
    public IReadOnlyDictionary<string, ConfigurationOrigin> Origins { get; init; } = new Dictionary<string, ConfigurationOrigin>();
}

/// <summary>Who said it.</summary>
internal enum ConfigurationOrigin
{
    Default,
    File,
    Flag,
}

/// <summary><c>backend.direct</c>.</summary>
internal sealed record DirectConfiguration
{
    /// <summary>Default: <c>/var/lib/oz/workspaces</c> for <c>ozf worker</c>, <c>&lt;data&gt;/workspaces</c> on one machine.</summary>
    public string? WorkspaceRoot { get; init; }

    public string? TargetDir { get; init; }

    public string? OzPath { get; init; }

    public string? SetupCommand { get; init; }

    public string? TeardownCommand { get; init; }

    /// <summary>For setup, agent and teardown; flags are overlaid by name.</summary>
    public IReadOnlyList<EnvironmentSetting> Environment { get; init; } = [];

    /// <summary>For the agent only.</summary>
    public IReadOnlyList<EnvironmentSetting> AgentEnvironment { get; init; } = [];

    /// <summary>Default: false; <c>ozf demo</c> turns it on.</summary>
    public bool? PrivateHome { get; init; }

    /// <summary>Setup and teardown get the host's environment less its credentials. Default: false.</summary>
    public bool InheritHookEnvironment { get; init; }

    /// <summary>Default: true.</summary>
    public bool Sandboxed { get; init; } = true;

    /// <summary>Account that runs belong to; needs root. Default: the host's own.</summary>
    public string? User { get; init; }

    /// <summary>Default: false.</summary>
    public bool KeepFailedWorkspaces { get; init; }

    /// <summary>Default: 15 minutes.</summary>
    public TimeSpan SetupTimeout { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Default: 5 minutes.</summary>
    public TimeSpan TeardownTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Between SIGINT, SIGTERM and SIGKILL; where the lease of the host is over or another host has the run, at most 20 seconds. Default: 10 seconds.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Default: 30 seconds.</summary>
    public TimeSpan FinishedGrace { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A regular expression for the agent's final line. Default: none.</summary>
    public string? FinishedPattern { get; init; }

    public ShimLimits Limits { get; init; } = new();
}

/// <summary>One entry of an environment list: a literal, a source, or neither, which takes the host's variable.</summary>
internal sealed record EnvironmentSetting(string Name, string? Value, SecretSource? Source = null);

/// <summary><c>limits</c>: what one host keeps and takes.</summary>
internal sealed record LimitsConfiguration
{
    /// <summary>Runs that may wait; null: any number.</summary>
    public int? MaxQueued { get; init; }

    /// <summary>A run that waits longer ends <c>expired</c>. Default: 7 days.</summary>
    public TimeSpan QueueTtl { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Bytes that must be free at the workspace root. Default: 1 GiB.</summary>
    public long DiskFree { get; init; } = 1L << 30;

    /// <summary>Default: 10,000.</summary>
    public long InodesFree { get; init; } = 10_000;

    /// <summary>Bytes of memory that must be available; 0 does not look. Default: 256 MiB.</summary>
    public long MemoryFree { get; init; } = 256L << 20;

    /// <summary>What a blob's appends have room for: half of it 256 KiB at a time, the rest in the thousand that are left.</summary>
    public const long MostLogBytes = 2L << 30;

    /// <summary>Bytes of one run's log that are kept, at most <see cref="MostLogBytes"/>. Default: 64 MiB.</summary>
    public long LogBytes { get; init; } = 64L << 20;

    /// <summary>Bytes of output of one attempt on disk until they are in the store. Default: 256 MiB.</summary>
    public long SpoolBytes { get; init; } = 256L << 20;

    /// <summary>Bytes of one artifact. Default: 256 MiB.</summary>
    public long ArtifactFileBytes { get; init; } = 256L << 20;

    /// <summary>Artifacts of one run. Default: 1,000.</summary>
    public int ArtifactCount { get; init; } = 1_000;

    /// <summary>Bytes of all artifacts of one run. Default: 1 GiB.</summary>
    public long ArtifactTotalBytes { get; init; } = 1L << 30;
}

/// <summary><c>policy</c>: what this host lets a run ask for.</summary>
internal sealed record PolicyConfiguration
{
    /// <summary>Names a run may set, with <c>*</c> at the end for any rest; null: any.</summary>
    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>A longer <c>timeout</c> is cut to this. Default: 24 hours.</summary>
    public TimeSpan MaxTimeout { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Who may ask for runs (<c>asked_by</c>), with <c>*</c> for any part; null: anybody who gets in.</summary>
    public IReadOnlyList<string>? Senders { get; init; }

    /// <summary>Agents a run may ask for; null: any.</summary>
    public IReadOnlyList<string>? Agents { get; init; }

    /// <summary>By <c>/bin/sh</c>, with the record on its standard input; an exit code but 0 refuses the run. Default: none.</summary>
    public string? VetoCommand { get; init; }

    /// <summary>Live attempts per concurrency key. Default: 1.</summary>
    public int Concurrency { get; init; } = 1;
}

/// <summary><c>storage</c>: a secret connection string, or an address that holds no secret.</summary>
internal sealed record StorageConfiguration(SecretSource? Connection, string? Address);
