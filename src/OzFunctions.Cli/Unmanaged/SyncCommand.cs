using System.CommandLine;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Workers;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Unmanaged;

/// <summary><c>ozf sync</c>: settles what killed or cut-off <c>ozf exec</c> calls left on this machine, and sends what was kept while the store was away.</summary>
internal static class SyncCommand
{
    public static Command Create(Surroundings surroundings) =>
        new Command("sync", "Send what 'ozf exec' kept here while the store was away").Does(surroundings, RunAsync);

    /// <summary>For hosts that start: the same, and a store that is away again is no fault.</summary>
    public static async Task SendSafelyAsync(CommandContext context, OpenStore store, Settings settings, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        try
        {
            await SpoolTransfer.SendAllAsync(store.Core, settings, context.Surroundings, loggers, cancellationToken);
        }
        catch (Exception ex) when (TrackedExec.IsAway(ex) && !cancellationToken.IsCancellationRequested)
        {
            context.Screen.Warn($"what 'ozf exec' kept on this machine could not be sent yet: {settings.Mask(ex.Message)}");
        }
    }

    private static async Task<int> RunAsync(CommandContext context, CancellationToken cancellationToken)
    {
        var settings = ExecPlaces.OfCaller(context.Settings);
        settings.RequireSecrets();
        using var loggers = context.Loggers(LogLevel.Warning);
        await using var store = ConfiguredStore.Open(settings, context.Surroundings, loggers);
        var settled = await SettleAsync(context, store, settings, loggers, cancellationToken);
        foreach (var spool in ExecPlaces.Spools(settings, context.Surroundings).Where(spool => Directory.Exists(spool) && ExecPlaces.TryMake(spool)))
        {
            var own = ExecPlaces.SettingsOfSpool(settings, spool);
            await using var source = LocalStore.Open(own, context.Surroundings, loggers);
            settled += await SettleAsync(context, source, own, loggers, cancellationToken);
        }

        var sent = await SpoolTransfer.SendAllAsync(store.Core, settings, context.Surroundings, loggers, cancellationToken);
        Show(context, settled, sent);
        return ExitCodes.Success;
    }

    private static async Task<int> SettleAsync(CommandContext context, OpenStore store, Settings settings, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(ExecPlaces.RootOf(settings.DataDirectory)))
        {
            return 0;
        }

        var direct = WorkerSetup.Create(settings, new(), context.Surroundings.Environment).Direct with { Managed = false, SetupCommand = null, TeardownCommand = null };
        var host = await TrackedExec.CreateHostAsync(context, store, settings, direct, loggers, cancellationToken);
        return await host.SettleOnlyAsync(cancellationToken);
    }

    private static void Show(CommandContext context, int settled, IReadOnlyList<RunId> sent)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteNumber("settled", settled);
                json.WriteStartArray("sent");
                foreach (var runId in sent)
                {
                    json.WriteStringValue(runId.Value);
                }

                json.WriteEndArray();
                json.WriteEndObject();
            });
            return;
        }

        foreach (var runId in sent)
        {
            context.Screen.Line(runId.Value);
        }

        context.Screen.Note($"{PlainText.Count(settled, "run")} settled, {PlainText.Count(sent.Count, "run")} sent.");
    }
}
