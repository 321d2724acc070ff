using System.Text.RegularExpressions;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Machine;
using OzFunctions.Cli.Stores;
using OzFunctions.Configuration;
using OzFunctions.Direct;
using OzFunctions.Direct.Accounts;
using OzFunctions.Direct.Posix;
using OzFunctions.Direct.Shims;
using OzFunctions.Hosts;

namespace OzFunctions.Cli.Workers;

/// <summary>What a worker host is made of, from configuration and flags (flags win, facts B1.13).</summary>
internal sealed record WorkerSetup(WorkerOptions Worker, DirectOptions Direct, WorkerBehaviour Behaviour)
{
    public const string ApiKey = "WARP_API_KEY";

    /// <summary>A host that takes one run ends with it, however long it takes; only a signal starts its drain time.</summary>
    private static readonly TimeSpan NoDrain = TimeSpan.FromDays(30);

    /// <summary>True when the agent is the real CLI, which finds no key: design section 8, step 4.</summary>
    public bool LacksApiKey =>
        (Direct.OzPath is null || Path.GetFileName(Direct.OzPath) == "oz")
        && !Direct.Environment.Concat(Direct.AgentEnvironment).Any(entry => entry.Name == ApiKey);

    /// <summary>True when configuration or flags name TMPDIR, which each run has of its own.</summary>
    public bool NamesTempDirectory => Direct.Environment.Concat(Direct.AgentEnvironment).Any(entry => entry.Name == "TMPDIR");

    public static WorkerSetup Create(Settings settings, WorkerBehaviour behaviour, IReadOnlyDictionary<string, string> hostEnvironment)
    {
        var configuration = settings.Configuration;
        var worker = new WorkerOptions
        {
            WorkerId = settings.WorkerId,
            Machine = Environment.MachineName,
            Version = VersionCommand.Version,
            Slots = configuration.MaxConcurrentTasks ?? 0,
            Lease = configuration.Lease,
            QueueTtl = configuration.Limits.QueueTtl,
            RoomPerKey = configuration.Policy.Concurrency,
            SharedKey = configuration.Direct.TargetDir is { } target ? Libc.FindRealPath(target) ?? Path.GetFullPath(target) : null,
            DrainTimeout = behaviour.Once ? NoDrain : behaviour.DrainTimeout,
            Once = behaviour.Once,
        };
        return new(worker, CreateDirect(settings, hostEnvironment), behaviour);
    }

    private static DirectOptions CreateDirect(Settings settings, IReadOnlyDictionary<string, string> hostEnvironment)
    {
        var (configuration, direct, limits) = (settings.Configuration, settings.Configuration.Direct, settings.Configuration.Limits);
        var standard = new DirectOptions();
        return standard with
        {
            WorkspaceRoot = direct.WorkspaceRoot ?? standard.WorkspaceRoot,
            TargetDir = direct.TargetDir,
            OzPath = direct.OzPath,
            SetupCommand = direct.SetupCommand,
            TeardownCommand = direct.TeardownCommand,
            Environment = Entries(direct.Environment, settings.Secrets),
            AgentEnvironment = Entries(direct.AgentEnvironment, settings.Secrets),
            HostEnvironment = hostEnvironment,
            PrivateHome = direct.PrivateHome ?? false,
            InheritHookEnvironment = direct.InheritHookEnvironment,
            Sandboxed = direct.Sandboxed,
            IdleOnComplete = configuration.IdleOnComplete,
            KeepFailedWorkspaces = direct.KeepFailedWorkspaces,
            Cleanup = configuration.Cleanup,
            SetupTimeout = direct.SetupTimeout,
            TeardownTimeout = direct.TeardownTimeout,
            StopGrace = direct.StopGrace,
            FinishedGrace = direct.FinishedGrace,
            User = FindAccount(direct.User),
            Limits = direct.Limits with { CgroupParent = CgroupDelegation.Find() },
            FinishedPattern = direct.FinishedPattern is { } pattern ? new Regex(pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)) : null,
            Artifacts = new() { FileBytes = limits.ArtifactFileBytes, Count = limits.ArtifactCount, TotalBytes = limits.ArtifactTotalBytes },
            DiskFree = limits.DiskFree,
            InodesFree = limits.InodesFree,
            MemoryFree = limits.MemoryFree,
            SpoolBytes = limits.SpoolBytes,
            Secrets = settings.Secrets.ByName(configuration.Secrets),
            OtherSecrets = [.. settings.Secrets.All, .. StorageSetting.FindSecrets(settings.Storage, configuration, settings.Secrets)],
            HostCredentials = [.. CredentialVariables(configuration)],
            AsksVersion = true,
            Policy = new()
            {
                MaxTimeout = configuration.Policy.MaxTimeout,
                Env = configuration.Policy.Env,
                Senders = configuration.Policy.Senders,
                Agents = configuration.Policy.Agents,
                Veto = configuration.Policy.VetoCommand is { } veto ? new VetoOptions { Command = veto, Environment = VetoEnvironment(hostEnvironment, configuration) } : null,
            },
        };
    }

    private static Account? FindAccount(string? name)
    {
        try
        {
            return name is null ? null : Account.Get(name);
        }
        catch (AccountException ex)
        {
            throw CommandException.Usage(ex.Message);
        }
    }

    private static Dictionary<string, string> VetoEnvironment(IReadOnlyDictionary<string, string> hostEnvironment, OzfConfiguration configuration)
    {
        var credentials = CredentialVariables(configuration).ToHashSet(StringComparer.Ordinal);
        return hostEnvironment.Where(pair => !credentials.Contains(pair.Key)).ToDictionary();
    }

    private static List<EnvironmentEntry> Entries(IReadOnlyList<EnvironmentSetting> settings, SecretValues secrets) =>
        [.. settings.Select(setting => new EnvironmentEntry(setting.Name, setting.Source is { } source ? secrets.Get(source) : setting.Value))];

    /// <summary>Variables that hold secrets of this host by configuration, whatever their names.</summary>
    private static IEnumerable<string> CredentialVariables(OzfConfiguration configuration)
    {
        var sources = configuration.Secrets.Select(secret => secret.Source).Concat(configuration.ApiKeys.Select(key => key.Source).OfType<SecretSource>())
            .Concat(configuration.Webhooks.SelectMany(webhook => webhook.Secrets))
            .Concat(configuration.Events.SelectMany(sink => sink.Secrets.Append(sink.Connection).Concat(sink.Environment.Select(entry => entry.Source))).OfType<SecretSource>());
        return sources.Append(configuration.Storage?.Connection).Select(source => source?.Env).OfType<string>().Append(ApiKey).Append(StorageSetting.Variable).Distinct();
    }
}

/// <summary>What only the command line says of a worker host.</summary>
internal sealed record WorkerBehaviour
{
    public bool Once { get; init; }

    /// <summary>SIGTERM leaves agents running for the next host. Default: they may finish.</summary>
    public bool Detach { get; init; }

    public bool ConsumeRequests { get; init; }

    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromMinutes(10);
}
