using System.CommandLine;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Workers;
using OzFunctions.Direct.Shims;
using OzFunctions.Local;
using OzFunctions.Runs;
using OzFunctions.Settlement;

namespace OzFunctions.Cli.Unmanaged;

/// <summary><c>ozf sync</c>: settles what killed or cut-off <c>ozf exec</c> calls left on this machine, and sends what was kept while the store was away.</summary>
internal static partial class SyncCommand
{
    public static Command Create(Surroundings surroundings) =>
        new Command("sync", "Send what 'ozf exec' kept here while the store was away").Does(surroundings, RunAsync);

    /// <summary>For hosts that start: settles and sends what is kept in spools; a store that is away again is no fault.</summary>
    public static async Task SendSafelyAsync(CommandContext context, OpenStore store, Settings settings, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var logger = loggers.CreateLogger("OzFunctions.Cli");
        var faults = new List<string>();
        try
        {
            await EmptySpoolsAsync(context, store.Core, ExecPlaces.OfCaller(settings), faults, loggers, cancellationToken);
        }
        catch (Exception ex) when (TrackedExec.IsAway(ex) && !cancellationToken.IsCancellationRequested)
        {
            NotSent(logger, ex);
        }

        Name(faults, loggers);
    }

    private static void Name(IEnumerable<string> faults, ILoggerFactory loggers)
    {
        foreach (var fault in faults.Distinct())
        {
            NotSettled(loggers.CreateLogger("OzFunctions.Cli"), fault);
        }
    }

    /// <summary>The same after a call's own run, and besides it what calls left in places of this machine where this one's attempt was not.</summary>
    /// <exception cref="Exception">By <see cref="TrackedExec.IsAway"/>, or that the token ended it: what is left is for the next.</exception>
    public static async Task SendAfterAsync(CommandContext context, TrackedExec tracked, Settings settings, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var faults = new List<string>();
        await SettleAsync(context, tracked.Store, settings, ExecPlaces.RootsWithAttempts(settings, context.Surroundings).Where(root => root.Path != tracked.Root), faults, loggers, cancellationToken);
        await EmptySpoolsAsync(context, tracked.Store.Core, settings, faults, loggers, cancellationToken);
        await tracked.Store.Core.Outbox.DrainAsync(EventOutbox.EndGrace, cancellationToken);
        Name(faults, loggers);
    }

    /// <summary>After a call whose store went away before its agent was started: it may be there again, and knows a run that nobody carries on. Answers the record as it is there now; null: the run is still kept here.</summary>
    /// <exception cref="Exception">As above.</exception>
    public static async Task<RunRecord?> SendKeptAsync(CommandContext context, TrackedExec kept, Settings settings, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        await using var store = ConfiguredStore.Open(settings, context.Surroundings, loggers);
        store.Core.Outbox.Start();
        await SendSafelyAsync(context, store, settings, loggers, cancellationToken);
        await store.Core.Outbox.DrainAsync(EventOutbox.EndGrace, cancellationToken);
        return await kept.Store.Core.Records.FindAsync(kept.Run.RunId, cancellationToken) is null
            ? (await store.Core.Records.FindAsync(kept.Run.RunId, cancellationToken))?.Record
            : null;
    }

    private static async Task<int> RunAsync(CommandContext context, CancellationToken cancellationToken)
    {
        context.RefuseServer();
        ProcessDumpable.Disable();
        var settings = ExecPlaces.OfCaller(context.Settings);
        settings.RequireSecretsOfCall();
        using var loggers = context.Loggers(LogLevel.Warning);
        await using var store = ConfiguredStore.Open(settings, context.Surroundings, loggers);
        var faults = new List<string>();
        store.Core.Outbox.Start();
        var own = ExecPlaces.RootOf(settings);
        var roots = ExecPlaces.RootsWithAttempts(settings, context.Surroundings).Concat(Directory.Exists(own.Path) ? [own] : []).Distinct();
        var settled = await SettleAsync(context, store, settings, roots, faults, loggers, cancellationToken);
        var (settledThere, sent, refused) = await EmptySpoolsAsync(context, store.Core, settings, faults, loggers, cancellationToken);
        await store.Core.Outbox.DrainAsync(EventOutbox.EndGrace, cancellationToken);
        Show(context, settled + settledThere, sent);
        foreach (var fault in faults.Distinct())
        {
            context.Screen.Fail($"{fault}. What 'ozf exec' left there is not settled.");
        }

        return faults.Count == 0 && refused == 0 ? ExitCodes.Success : ExitCodes.Unavailable;
    }

    /// <summary>A spool holds runs of calls that ended, and of calls that were killed, which nobody else would ever end.</summary>
    /// <param name="faults">Gets a sentence for each place that cannot be used, and for each spool that cannot.</param>
    private static async Task<(int Settled, IReadOnlyList<RunId> Sent, int Refused)> EmptySpoolsAsync(
        CommandContext context, OzCore target, Settings settings, List<string> faults, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var (settled, refused, sent) = (0, 0, new List<RunId>());
        var sources = new List<OpenStore>();
        var waiting = new List<(OzCore Source, IReadOnlyList<RunId> Runs)>();
        try
        {
            foreach (var spool in ExecPlaces.FindSpools(settings, context.Surroundings))
            {
                try
                {
                    var source = LocalStore.Open(spool, context.Surroundings, loggers);
                    sources.Add(source);
                    settled += await SettleAsync(context, source, spool, ExecPlaces.RootsWithAttempts(settings, context.Surroundings), faults, loggers, cancellationToken);
                    waiting.Add((source.Core, await SpoolTransfer.FindWaitingAsync(source.Core, target, cancellationToken)));
                }
                catch (Exception ex) when (TrackedExec.IsAway(ex) && !cancellationToken.IsCancellationRequested)
                {
                    // The other spool need not wait for what is wrong with this one.
                    faults.Add(settings.Mask(ex.Message.TrimEnd('.')));
                }
            }

            // Only now: a store that is still away throws here, and keeps no killed call of any place from its end.
            foreach (var (source, runs) in waiting)
            {
                refused += await SpoolTransfer.SendAsync(source, target, runs, sent, loggers, cancellationToken);
            }
        }
        finally
        {
            foreach (var source in sources)
            {
                await source.DisposeAsync();
            }
        }

        return (settled, sent, refused);
    }

    /// <summary>The runs of one store whose calls are gone; answers how many.</summary>
    /// <param name="settings">The store's own.</param>
    /// <param name="roots">Where to look for their attempts.</param>
    /// <param name="faults">Gets a sentence for each place that cannot be used.</param>
    private static async Task<int> SettleAsync(
        CommandContext context, OpenStore store, Settings settings, IEnumerable<ExecRoot> roots, List<string> faults, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var settled = 0;
        foreach (var root in roots)
        {
            if (root.FindFault() is { } fault)
            {
                faults.Add(fault);
                continue;
            }

            try
            {
                var direct = WorkerSetup.Create(settings, new(), context.Surroundings.Environment).Direct with { Managed = false, SetupCommand = null, TeardownCommand = null, FinishedPattern = null };
                var host = await TrackedExec.CreateHostAsync(context, store, settings, root.Path, direct, loggers, cancellationToken);
                settled += await host.SettleOnlyAsync(cancellationToken);
            }
            catch (ShimException ex)
            {
                faults.Add(ex.Message.TrimEnd('.'));
            }
        }

        return settled;
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

    [LoggerMessage(LogLevel.Warning, "What 'ozf exec' kept on this machine could not be sent yet; the next start or 'ozf sync' sends it")]
    private static partial void NotSent(ILogger logger, Exception exception);

    [LoggerMessage(LogLevel.Warning, "{Fault}. What 'ozf exec' left there is not settled")]
    private static partial void NotSettled(ILogger logger, string fault);
}
