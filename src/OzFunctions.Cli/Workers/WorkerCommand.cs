using System.CommandLine;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Logging;
using OzFunctions.Cli.Machine;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Telemetry;
using OzFunctions.Configuration;
using OzFunctions.Hosts;
using OzFunctions.Local;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Workers;

/// <summary><c>ozf worker</c>: the long-lived host.</summary>
internal static partial class WorkerCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var flags = new WorkerFlags();
        return new Command("worker", "Run a worker host").With(flags.All).DoesAsHost(surroundings, flags, (context, cancellationToken) => RunAsync(context, flags, cancellationToken));
    }

    private static async Task<int> RunAsync(CommandContext context, WorkerFlags flags, CancellationToken cancellationToken)
    {
        context.RefuseServer();
        Platform.RequireLinux("worker");
        var settings = context.LoadSettings(flags.Read(context));
        settings.RequireSecrets();
        var setup = WorkerSetup.Create(
            settings,
            new()
            {
                Once = context.Get(flags.Once),
                Detach = context.Get(flags.OnSigterm) == "detach",
                ConsumeRequests = context.Get(flags.ConsumeRequests),
                DrainTimeout = flags.DrainTimeoutOf(context),
            },
            flags.HostEnvironment(context));
        LocalHost.Check(setup.Direct);

        // Other processes of this user, agents among them, must not read this host's environment through /proc.
        ProcessDumpable.Disable();
        using var loggers = context.Loggers(flags.LevelOf(context), flags.FormatOf(context));
        var logger = loggers.CreateLogger("OzFunctions.Cli");
        foreach (var flag in flags.WithoutEffect.Where(context.Has))
        {
            WithoutEffect(logger, flag.Name);
        }

        await using var store = ConfiguredStore.Open(settings, context.Surroundings, loggers);
        await HostCommand.RepairAsync(store, logger, cancellationToken);
        await Unmanaged.SyncCommand.SendSafelyAsync(context, store, settings, loggers, cancellationToken);
        var host = await LocalHost.CreateAsync(store, setup, settings.Configuration.Limits.LogBytes, loggers, context.Time, cancellationToken);
        Introduce(context, store, setup, flags.FormatOf(context), logger);
        using var export = TelemetryExport.Start(context.Surroundings, store.Core.Metrics, setup.Worker.WorkerId, logger);
        await using var status = context.Get(flags.StatusPort) is { } place
            ? await StatusServer.StartAsync(flags.StatusPort.Name, place, host, store.Core.Metrics, context, loggers, cancellationToken)
            : await StatusServer.TryStartAsync(host, store.Core.Metrics, context, loggers, cancellationToken);
        if (status is not null)
        {
            Serving(logger, status.Address);
        }

        using var signals = HostStop.Listen(host, setup, context.Time);
        await using var notices = ServiceNotices.Start(context.Surroundings, () => host.IsAlive);
        await host.RunAsync(cancellationToken);
        return ExitCodes.Success;
    }

    private static void Introduce(CommandContext context, OpenStore store, WorkerSetup setup, LogFormat format, ILogger logger)
    {
        var direct = setup.Direct;
        var slots = setup.Worker.Slots == 0 ? "unlimited" : setup.Worker.Slots.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var requests = setup.Behaviour.ConsumeRequests ? "taken from oz-requests" : "not taken from oz-requests (--consume-requests)";
        var stop = setup.Behaviour.Detach ? "detach: agents live on for the next host" : $"drain: runs may finish within {DurationText.Format(setup.Behaviour.DrainTimeout)}";
        var agent = Direct.Agents.AgentLookup.Find(direct).Path ?? "";
        if (format == LogFormat.Json)
        {
            Starting(logger, VersionCommand.Version, setup.Worker.WorkerId, store.Name, direct.WorkspaceRoot, agent, slots);
        }
        else
        {
            var screen = context.Screen;
            screen.Note($"ozf {VersionCommand.Version}, worker '{setup.Worker.WorkerId}' on {setup.Worker.Machine}", Style.Strong);
            screen.Note($"  {(store.IsRemote ? "storage" : "data   ")}     {store.Name}");
            screen.Note(direct.TargetDir is { } target ? $"  target      {target}" : $"  workspaces  {direct.WorkspaceRoot}{(direct.Cleanup ? "" : " (kept)")}");
            screen.Note($"  agent       {agent}{(direct.User is { } user ? $" as {user.Name}" : "")}");
            screen.Note($"  runs        {slots} at a time{(setup.Worker.Once ? ", ends after one" : "")}");
            screen.Note($"  requests    {requests}");
            screen.Note($"  on SIGTERM  {stop}");
        }

        Warn(setup, logger);
    }

    /// <summary>What is worth a warning when a host starts.</summary>
    internal static void Warn(WorkerSetup setup, ILogger logger)
    {
        if (setup.Worker.Slots == 0 && !setup.Worker.Once)
        {
            Unlimited(logger);
        }

        if (setup.LacksApiKey)
        {
            NoApiKey(logger);
        }

        if (setup.NamesTempDirectory)
        {
            OwnTempDirectory(logger);
        }

        if (setup.Direct.User is { } account)
        {
            OtherUser(logger, account.Name);
        }
        else
        {
            OneUser(logger);
        }
    }

    [LoggerMessage(LogLevel.Information, "ozf {Version} starts: worker {WorkerId}, data {Data}, workspaces {Workspaces}, agent {Agent}, slots {Slots}")]
    private static partial void Starting(ILogger logger, string version, string workerId, string data, string workspaces, string agent, string slots);

    [LoggerMessage(LogLevel.Information, "Health, readiness and metrics at {Address}")]
    private static partial void Serving(ILogger logger, Uri address);

    [LoggerMessage(LogLevel.Warning, "{Flag} has no effect here: there is no such server")]
    private static partial void WithoutEffect(ILogger logger, string flag);

    [LoggerMessage(LogLevel.Warning, "No limit on runs at a time: set --max-concurrent-tasks or max_concurrent_tasks")]
    private static partial void Unlimited(ILogger logger);

    [LoggerMessage(LogLevel.Warning, "No run gets WARP_API_KEY, so oz will ask for a login: give it with -e WARP_API_KEY, in backend.direct.agent_environment, or from the setup's environment file")]
    private static partial void NoApiKey(ILogger logger);

    [LoggerMessage(LogLevel.Warning, "TMPDIR in environment has no effect: each run has a temp directory of its own, which goes with it")]
    private static partial void OwnTempDirectory(ILogger logger);

    [LoggerMessage(LogLevel.Information, "Runs belong to this host's own user: they can read its files (a container or a virtual machine is the boundary)")]
    private static partial void OneUser(ILogger logger);

    [LoggerMessage(LogLevel.Information, "Runs belong to {User}: this host's files are closed to them, one another's are not")]
    private static partial void OtherUser(ILogger logger, string user);
}
