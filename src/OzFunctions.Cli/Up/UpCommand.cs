using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Keys;
using OzFunctions.Cli.Machine;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Telemetry;
using OzFunctions.Cli.Webhooks;
using OzFunctions.Cli.Workers;
using OzFunctions.Configuration;
using OzFunctions.Hosts;
using OzFunctions.Http;
using OzFunctions.Http.Health;
using OzFunctions.Http.Keys;
using OzFunctions.Http.Routing;
using OzFunctions.Http.Serving;
using OzFunctions.Http.Webhooks;
using OzFunctions.Keys;
using OzFunctions.Local;
using OzFunctions.Webhooks;

namespace OzFunctions.Cli.Up;

/// <summary><c>ozf up</c>: everything on one machine in one process.</summary>
internal static partial class UpCommand
{
    /// <summary>A look at a file costs next to nothing: a line is with its readers well within a third of a second after the agent wrote it.</summary>
    private static readonly TimeSpan FilesAreLookedAtEvery = TimeSpan.FromMilliseconds(40);

    private static readonly TimeSpan CallsMayEnd = TimeSpan.FromSeconds(5);

    public static Command Create(Surroundings surroundings)
    {
        var flags = new WorkerFlags();
        var port = new Option<int?>("--port") { HelpName = "N", Description = "Port on loopback; 0 picks a free one [default: 7007]" };
        var listen = new Option<string?>("--listen") { HelpName = "ADDR:PORT", Description = "Another address; beyond loopback it needs api_keys[]" };
        return new Command("up", "Run everything on this machine in one process: API, webhooks, schedules, request queue and worker")
            .With([port, listen, .. flags.AllOfUp])
            .DoesAsHost(surroundings, flags, (context, cancellationToken) => RunAsync(context, flags, ListenAddress.Parse(context.Get(listen), context.Get(port)), cancellationToken));
    }

    private static async Task<int> RunAsync(CommandContext context, WorkerFlags flags, IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        context.RefuseServer();
        Platform.RequireLinux("up");
        var settings = OfOneMachine(context.LoadSettings(flags.Read(context)));
        settings.RequireSecrets();
        RequireKeys(settings, endPoint);
        var setup = WorkerSetup.Create(
            settings,
            new() { ConsumeRequests = true, Detach = context.Get(flags.OnSigterm) == "detach", DrainTimeout = flags.DrainTimeoutOf(context) },
            flags.HostEnvironment(context));
        LocalHost.CheckWorkspaces(setup.Direct);

        // Other processes of this user, agents among them, must not read this host's environment through /proc.
        ProcessDumpable.Disable();
        using var loggers = context.Loggers(flags.LevelOf(context), flags.FormatOf(context));
        await using var store = ConfiguredStore.Open(settings, context.Surroundings, loggers);
        var logger = loggers.CreateLogger("OzFunctions.Cli");
        await HostCommand.RepairAsync(store, logger, cancellationToken);
        await Unmanaged.SyncCommand.SendSafelyAsync(context, store, settings, loggers, cancellationToken);
        var key = KeyFile.Ensure(settings.DataDirectory);

        // A run of the same user can read the file; its log need not show it to others.
        setup = setup with { Direct = setup.Direct with { OtherSecrets = [.. setup.Direct.OtherSecrets, key] } };
        WorkerHost? host = null;
        using var metrics = new PrometheusText(store.Core.Metrics);
        using var export = TelemetryExport.Start(context.Surroundings, store.Core.Metrics, setup.Worker.WorkerId, logger);
        if (TelemetryExport.PrometheusAddress(context.Surroundings) is { } place)
        {
            ServedElsewhere(logger, place);
        }

        var status = new HostStatus { NotReady = () => host?.FindReasons() ?? ["It is starting."], Metrics = metrics.Write };
        var options = DoorOptions(settings, store, endPoint, key);
        var receiver = new WebhookReceiver(WebhookSetup.Create(settings.Configuration.Webhooks, settings.Secrets), store.Core, loggers.CreateLogger<WebhookReceiver>());
        var door = new FrontDoor(store.Core, options, loggers, new WebhookEndpoints(receiver, options.PublicUrl), new StatusEndpoints(status, Access.Key(KeyScopes.Read)));

        // Kestrel tells of every connection that a client drops.
        using var quiet = context.Loggers(LogLevel.Warning, flags.FormatOf(context));
        await using var server = new FrontDoorServer(door, endPoint, quiet);
        await ListenAsync(server, endPoint, cancellationToken);
        host = await LocalHost.CreateAsync(store, setup, settings.Configuration.Limits.LogBytes, loggers, context.Time, cancellationToken);
        await UpScreen.ShowAsync(context, settings, setup, store, server.Address, logger, cancellationToken);
        using (HostStop.Listen(host, setup, context.Time))
        {
            await using var notices = ServiceNotices.Start(context.Surroundings, () => host.IsAlive);
            await host.RunAsync(cancellationToken);
        }

        using var deadline = new CancellationTokenSource(CallsMayEnd, context.Time);
        await server.StopAsync(deadline.Token);
        return ExitCodes.Success;
    }

    /// <summary>Defaults of one machine (design section 12).</summary>
    private static Settings OfOneMachine(Settings settings) => settings with
    {
        Configuration = settings.Configuration with
        {
            MaxConcurrentTasks = settings.Configuration.MaxConcurrentTasks ?? Environment.ProcessorCount,
            Direct = settings.Configuration.Direct with { WorkspaceRoot = settings.Configuration.Direct.WorkspaceRoot ?? Path.Combine(settings.DataDirectory, "workspaces") },
        },
    };

    private static void RequireKeys(Settings settings, IPEndPoint endPoint)
    {
        if (!IPAddress.IsLoopback(endPoint.Address) && settings.Configuration.ApiKeys.Count == 0)
        {
            throw CommandException.Usage($"--listen: '{endPoint}': beyond loopback others can call; configure api_keys[] first ('ozf keys new' makes one).");
        }
    }

    private static FrontDoorOptions DoorOptions(Settings settings, OpenStore store, IPEndPoint endPoint, string key) => new()
    {
        Keys = [new ApiKey(KeyText.LocalName, KeyText.Hash(key), KeyScopes.All), .. ConfiguredKeys.Read(settings)],
        Hosts = IPAddress.IsLoopback(endPoint.Address) ? [endPoint.Address.ToString()] : [endPoint.Address.ToString(), Environment.MachineName],
        AnyAddressHost = ListenAddress.IsAny(endPoint),
        PublicUrl = settings.Configuration.PublicUrl is { } url ? new(url) : null,
        Requests = store.Requests,
        LookEvery = store.IsRemote ? new FrontDoorOptions { Keys = [] }.LookEvery : FilesAreLookedAtEvery,
    };

    private static async Task ListenAsync(FrontDoorServer server, IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        try
        {
            await server.StartAsync(cancellationToken);
        }
        catch (IOException ex) when (ex.InnerException is not SocketException)
        {
            throw CommandException.Unavailable(string.Create(
                CultureInfo.InvariantCulture, $"port {endPoint.Port} of {endPoint.Address} is taken, perhaps by another 'ozf up'; choose another with --port (0 picks a free one)."));
        }
        catch (Exception ex) when (ex is SocketException or IOException)
        {
            throw CommandException.Unavailable($"{endPoint} cannot be listened on: {(ex.InnerException ?? ex).Message}. --listen takes an address of this machine.");
        }
    }

    [LoggerMessage(LogLevel.Warning, "OTEL_METRICS_EXPORTER=prometheus: nothing is served at {Place}; 'ozf up' has /metrics on its own port, for keys with the scope read")]
    private static partial void ServedElsewhere(ILogger logger, string place);
}
