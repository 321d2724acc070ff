using System.CommandLine;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Logging;
using OzFunctions.Configuration;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Workers;

/// <summary>The flags of <c>ozf worker</c>: those of the vendor's worker (facts B1) and ours beside them.</summary>
internal sealed class WorkerFlags
{
    public Option<string?> WorkerId { get; } = new("--worker-id") { HelpName = "ID", Description = "Name of the pool that this host serves [default: local]" };

    public Option<string> Backend { get; } = new("--backend") { HelpName = "direct", Description = "How runs are executed", DefaultValueFactory = _ => "direct" };

    public Option<string?> ApiKey { get; } = new("--api-key") { HelpName = "KEY", Description = "Sets WARP_API_KEY of this host; others see arguments, so prefer the variable" };

    public Option<string> LogLevel { get; } = Choice("--log-level", "debug, info, warn or error", "info", "debug", "info", "warn", "error");

    public Option<string> LogFormat { get; } = Choice("--log-format", "text or json", "text", "text", "json");

    public Option<bool> NoCleanup { get; } = new("--no-cleanup") { Description = "Keep workspaces" };

    public Option<string?> TargetDir { get; } = new("--target-dir") { HelpName = "DIR", Description = "Run everything in this one directory" };

    public Option<string[]> Env { get; } = new("--env", "-e") { HelpName = "NAME[=VALUE]", Description = "Variable for all runs; without a value, this host's (repeat)" };

    public Option<int?> MaxConcurrentTasks { get; } = new("--max-concurrent-tasks") { HelpName = "N", Description = "Runs side by side [default: configuration, else unlimited]" };

    public Option<string?> IdleOnComplete { get; } = new("--idle-on-complete") { HelpName = "DUR", Description = "How long agents stay after their work [default: 0s]" };

    public Option<bool> Once { get; } = new("--once") { Description = "Take one run, then end" };

    public Option<string> OnSigterm { get; } = Choice("--on-sigterm", "drain: runs finish; detach: they live on for the next host", "drain", "drain", "detach");

    public Option<string?> DrainTimeout { get; } = new("--drain-timeout") { HelpName = "DUR", Description = "Most time to finish when draining [default: 10m]" };

    public Option<bool> ConsumeRequests { get; } = new("--consume-requests") { Description = "Take run requests from the queue oz-requests as well" };

    public Option<string?> StatusPort { get; } = new("--status-port") { HelpName = "[ADDR:]PORT", Description = "Serve /healthz, /readyz and /metrics there; 0 picks a port on loopback" };

    /// <summary>Hidden flags of the vendor's worker that name servers of its own (facts B1.12): taken, so that start scripts work, and without effect.</summary>
    public Option<string?>[] WithoutEffect { get; } = [new("--web-socket-url") { Hidden = true }, new("--server-root-url") { Hidden = true }, new("--session-sharing-server-url") { Hidden = true }];

    /// <summary>Of the vendor's container backend (facts B1.8): taken, so that its refusal says what to do.</summary>
    public Option<string[]> Volumes { get; } = new("--volumes", "-v") { Hidden = true };

    public Symbol[] All =>
    [
        WorkerId, MaxConcurrentTasks, ConsumeRequests, Once, OnSigterm, DrainTimeout, Env, TargetDir, NoCleanup, IdleOnComplete, LogLevel, LogFormat, StatusPort, ApiKey, Backend, Volumes, .. WithoutEffect,
    ];

    /// <summary>Those that <c>ozf up</c> takes too: it consumes requests anyway, and goes on after a run.</summary>
    public Symbol[] AllOfUp => [.. All.Where(flag => flag != Once && flag != ConsumeRequests && flag != StatusPort && !WithoutEffect.Contains(flag))];

    public LogLevel LevelOf(CommandContext context) => context.Get(LogLevel) switch
    {
        "debug" => Microsoft.Extensions.Logging.LogLevel.Debug,
        "warn" => Microsoft.Extensions.Logging.LogLevel.Warning,
        "error" => Microsoft.Extensions.Logging.LogLevel.Error,
        _ => Microsoft.Extensions.Logging.LogLevel.Information,
    };

    public LogFormat FormatOf(CommandContext context) => context.Get(LogFormat) == "json" ? Logging.LogFormat.Json : Logging.LogFormat.Text;

    /// <summary>What they say about the configuration; its own checks judge the values.</summary>
    public ConfigurationFlags Read(CommandContext context) => new()
    {
        WorkerId = context.Get(WorkerId),
        Backend = context.Get(Backend),
        TargetDir = context.Get(TargetDir) is { Length: > 0 } target ? Path.GetFullPath(Path.Combine(context.Surroundings.Directory, target)) : context.Get(TargetDir),
        NoCleanup = context.Get(NoCleanup),
        MaxConcurrentTasks = context.Get(MaxConcurrentTasks),
        IdleOnComplete = context.Get(IdleOnComplete),
        Env = context.Get(Env) ?? [],
        Volumes = context.Get(Volumes) ?? [],
        ApiKey = context.Get(ApiKey),
    };

    /// <summary>The host's environment, with the key of the flag in it.</summary>
    public Dictionary<string, string> HostEnvironment(CommandContext context)
    {
        var environment = new Dictionary<string, string>(context.Surroundings.Environment, StringComparer.Ordinal);
        if (context.Get(ApiKey) is { Length: > 0 } key)
        {
            environment[WorkerSetup.ApiKey] = key;
        }

        return environment;
    }

    public TimeSpan DrainTimeoutOf(CommandContext context) => context.Get(DrainTimeout) is not { } text
        ? TimeSpan.FromMinutes(10)
        : DurationText.TryParse(text, out var duration) ? duration : throw CommandException.Usage($"--drain-timeout: '{text}': must be {DurationText.Rule}");

    private static Option<string> Choice(string name, string description, string standard, params string[] values)
    {
        var option = new Option<string>(name) { HelpName = string.Join('|', values), Description = description, DefaultValueFactory = _ => standard };
        option.AcceptOnlyFromAmong(values);
        return option;
    }
}
