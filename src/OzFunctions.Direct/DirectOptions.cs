using System.Text.RegularExpressions;
using OzFunctions.Backends;
using OzFunctions.Direct.Accounts;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct;

/// <summary>How this machine runs attempts: <c>backend.direct</c> and what belongs to it, bound and checked by the composition root.</summary>
public sealed record DirectOptions
{
    /// <summary>Where workspaces and attempt directories are made. Default: <c>/var/lib/oz/workspaces</c>.</summary>
    public string WorkspaceRoot { get; init; } = "/var/lib/oz/workspaces";

    /// <summary>One directory that all runs share; nothing is made or removed in it. Default: none.</summary>
    public string? TargetDir { get; init; }

    /// <summary>The agent's CLI. Default: <c>oz</c> from the host's PATH.</summary>
    public string? OzPath { get; init; }

    /// <summary>Run by <c>/bin/sh -c</c> before the agent. Default: none.</summary>
    public string? SetupCommand { get; init; }

    /// <summary>Run by <c>/bin/sh -c</c> after the agent. Default: none.</summary>
    public string? TeardownCommand { get; init; }

    /// <summary>For all three commands; an entry without value takes the host's. <c>-e</c> entries are overlaid by name before they come here.</summary>
    public IReadOnlyList<EnvironmentEntry> Environment { get; init; } = [];

    /// <summary>For the agent only.</summary>
    public IReadOnlyList<EnvironmentEntry> AgentEnvironment { get; init; } = [];

    /// <summary>The host's own environment, read once at start.</summary>
    public IReadOnlyDictionary<string, string> HostEnvironment { get; init; } = new Dictionary<string, string>();

    /// <summary>Names in <see cref="HostEnvironment"/> that hold credentials of the host although their names do not show it.</summary>
    public IReadOnlyList<string> HostCredentials { get; init; } = [];

    /// <summary>HOME and the XDG directories of a run lie in its private directory. Default: false, HOME is the host's.</summary>
    public bool PrivateHome { get; init; }

    /// <summary>Setup and teardown get the host's environment less its credentials (<c>hook_environment: inherit</c>). Default: false.</summary>
    public bool InheritHookEnvironment { get; init; }

    /// <summary>Whether the agent is told <c>--sandboxed</c> when the run names no profile. Default: true.</summary>
    public bool Sandboxed { get; init; } = true;

    /// <summary>False for <c>ozf exec</c>: the agent is called as a person would, without <c>--output-format=json</c> and <c>--sandboxed</c>.</summary>
    public bool Managed { get; init; } = true;

    /// <summary>Appended to the agent's arguments as they are (<c>ozf exec -- …</c>). Default: none.</summary>
    public IReadOnlyList<string> AgentArguments { get; init; } = [];

    /// <summary>Arguments of an agent that is not called as <c>oz</c> is, without the program itself (<c>ozf exec --agent</c>). Default: null, those of <c>oz agent run</c>.</summary>
    public IReadOnlyList<string>? ForeignArguments { get; init; }

    /// <summary>The request's prompt is only for people: the agent is called without one (<c>ozf exec --task-id</c>). Default: false.</summary>
    public bool OmitPrompt { get; init; }

    /// <summary>Sees every piece of the agent's output as it came, on the reader's thread. Default: nobody.</summary>
    public Action<SpoolStream, ReadOnlyMemory<byte>>? Output { get; init; }

    /// <summary>Whether agents that are known to answer are asked for their version (<c>--version</c>), for the record. Default: false.</summary>
    public bool AsksVersion { get; init; }

    /// <summary>How long an agent may take to say its version; the run then goes on without. Default: 5 seconds.</summary>
    public TimeSpan VersionTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Sees what is started for whom, one line of JSON without secrets. Default: only the run's log has it.</summary>
    public Action<RunRecord, string>? Audit { get; init; }

    /// <summary>Told once how the attempt ends, before anything of it is stored and cleared away: what is to come is not in it yet. Default: nobody.</summary>
    public Action<AttemptOutcome>? Decided { get; init; }

    /// <summary>After an order to stop: do not wait for the rest of the ladder. Default: never.</summary>
    public CancellationToken StopHard { get; init; }

    /// <summary>How long the agent stays after its work when the run does not say. Default: 0 s.</summary>
    public TimeSpan IdleOnComplete { get; init; } = TimeSpan.Zero;

    /// <summary>Workspaces of runs that did not succeed are kept. Default: false.</summary>
    public bool KeepFailedWorkspaces { get; init; }

    /// <summary>False keeps every workspace (<c>--no-cleanup</c>). Default: true.</summary>
    public bool Cleanup { get; init; } = true;

    /// <summary>Time of the agent when the run does not say. Default: 2 hours.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(2);

    /// <summary>Time of the setup command when the run does not say. Default: 15 minutes.</summary>
    public TimeSpan SetupTimeout { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Time of the teardown command. Default: 5 minutes.</summary>
    public TimeSpan TeardownTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Time of the git commands that record changes. Default: 60 seconds.</summary>
    public TimeSpan ChangesTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>A changed file with more bytes is named and left out of the patch. Default: 32 MiB.</summary>
    public long ChangesFileBytes { get; init; } = 32L << 20;

    /// <summary>Between SIGINT, SIGTERM and SIGKILL; where the lease of the host is over or another host has the run, at most 20 seconds. Default: 10 seconds.</summary>
    public TimeSpan StopGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an agent may live on after it said that it is finished, or closed its output. Default: 30 seconds.</summary>
    public TimeSpan FinishedGrace { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A line of the agent's output that says that it is finished; a group named <c>failed</c> that matched says that it failed. Default: none.</summary>
    public Regex? FinishedPattern { get; init; }

    /// <summary>What the commands of one attempt may use. Default: no limit.</summary>
    public ShimLimits Limits { get; init; } = new();

    /// <summary>The account that commands run as; this process must then be root's. Default: none, they run as this process does.</summary>
    public Account? User { get; init; }

    /// <summary>What is kept of a run at most.</summary>
    public ArtifactLimits Artifacts { get; init; } = new();

    /// <summary>Bytes that must be free at the workspace root for a run to be taken. Default: 1 GiB.</summary>
    public long DiskFree { get; init; } = 1L << 30;

    /// <summary>Inodes that must be free there. Default: 10,000.</summary>
    public long InodesFree { get; init; } = 10_000;

    /// <summary>Bytes of memory that must be available; 0 does not look. Default: 256 MiB.</summary>
    public long MemoryFree { get; init; } = 256L << 20;

    /// <summary>Bytes of output of one attempt kept on disk until they are in the store. Default: 256 MiB.</summary>
    public long SpoolBytes { get; init; } = 256L << 20;

    /// <summary>Largest stored log of one attempt in bytes: the head half and the tail half are kept. Default: 64 MiB.</summary>
    public long LogBytes { get; init; } = 64L << 20;

    /// <summary>What <c>{"secret":"NAME"}</c> and <c>${secret:NAME}</c> stand for.</summary>
    public IReadOnlyDictionary<string, string> Secrets { get; init; } = new Dictionary<string, string>();

    /// <summary>Values of every other secret of the host's configuration: no run gets them, all are masked.</summary>
    public IReadOnlyCollection<string> OtherSecrets { get; init; } = [];

    /// <summary>What this host lets a run ask for.</summary>
    public RunPolicy Policy { get; init; } = new();

    /// <summary>Prints names only: values may be secrets.</summary>
    public override string ToString() => $"{nameof(DirectOptions)} {{ WorkspaceRoot = {WorkspaceRoot}, TargetDir = {TargetDir}, OzPath = {OzPath} }}";
}

/// <summary>One entry of <c>environment[]</c>; without a value it takes the host's, empty if the host has none.</summary>
public sealed record EnvironmentEntry(string Name, string? Value);

/// <summary>Limits of artifacts; what passes one has an entry in the manifest with the reason and no content.</summary>
public sealed record ArtifactLimits
{
    /// <summary>Bytes of one file. Default: 256 MiB.</summary>
    public long FileBytes { get; init; } = 256L << 20;

    /// <summary>Default: 1,000.</summary>
    public int Count { get; init; } = 1_000;

    /// <summary>Bytes of all files. Default: 1 GiB.</summary>
    public long TotalBytes { get; init; } = 1L << 30;
}

/// <summary>What the host checks when it has claimed a run; a run that asks for more ends FAILED <c>policy_refused</c>.</summary>
public sealed record RunPolicy
{
    /// <summary>A longer <c>timeout</c> is cut to this. Default: 24 hours.</summary>
    public TimeSpan MaxTimeout { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Names a run may set in <c>env</c>, with <c>*</c> at the end for any rest. Default: null, any.</summary>
    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>Who may have asked for a run (<c>asked_by</c>); <c>*</c> stands for any part. Default: null, anybody.</summary>
    public IReadOnlyList<string>? Senders { get; init; }

    /// <summary>Agents a run may ask for (<c>harness</c>, <c>oz</c> where it asks for none). Default: null, any.</summary>
    public IReadOnlyList<string>? Agents { get; init; }

    /// <summary>A command that is asked last of all. Default: null, nobody is asked.</summary>
    public VetoOptions? Veto { get; init; }
}

/// <summary>A command that sees a run's record on its standard input before anything of the run is made; it refuses with any exit code but 0.</summary>
public sealed record VetoOptions
{
    /// <summary>Run by <c>/bin/sh -c</c>.</summary>
    public required string Command { get; init; }

    /// <summary>The host's environment less its credentials; what has a secret's name is left out besides.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>No answer within this refuses. Default: 30 seconds.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Prints no values: they may be secrets.</summary>
    public override string ToString() => $"{nameof(VetoOptions)} {{ Command = {Command} }}";
}
