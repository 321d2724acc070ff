using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Workers;
using OzFunctions.Direct;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Shims.InProcess;
using OzFunctions.Hosts;
using OzFunctions.Intake;
using OzFunctions.Local;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>A run of <c>ozf exec</c> that has its record: in the store, or in a spool where the store is away.</summary>
internal sealed class TrackedExec : IAsyncDisposable
{
    private static readonly TimeSpan StoreMayTake = TimeSpan.FromSeconds(15);
    private readonly OpenStore _store;

    private TrackedExec(OpenStore store, UnmanagedHost host, RunRecord run, string root, bool spooled) => (_store, Host, Run, Root, Spooled) = (store, host, run, root, spooled);

    public OzCore Core => _store.Core;

    public UnmanagedHost Host { get; }

    /// <summary>The record as it was made.</summary>
    public RunRecord Run { get; }

    /// <summary>Where the attempt's private directory is.</summary>
    public string Root { get; }

    public bool Spooled { get; }

    /// <summary>Makes the record. A store that is away does not keep the agent from running: the record goes to a spool, and a warning says so.</summary>
    /// <param name="called">The request as the agent is to see it.</param>
    public static async Task<TrackedExec> BeginAsync(
        CommandContext context, Settings settings, DirectOptions direct, RunSubmission submission, RunRequest called, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        // What the record says and what the agent is told differ only in the stand-in of a prompt that is not there.
        direct = direct with { OmitPrompt = called.Prompt is null };
        string why;
        try
        {
            return await BeginInAsync(context, settings, direct, submission, spooled: false, loggers, cancellationToken);
        }
        catch (Exception ex) when (IsAway(ex) && !cancellationToken.IsCancellationRequested)
        {
            why = ex is OperationCanceledException ? "it did not answer in time" : settings.Mask(ex.Message.TrimEnd('.'));
        }

        foreach (var spool in ExecPlaces.Spools(settings, context.Surroundings).Where(ExecPlaces.TryMake))
        {
            try
            {
                var tracked = await BeginInAsync(context, ExecPlaces.SettingsOfSpool(settings, spool), direct, submission, spooled: true, loggers, cancellationToken);
                context.Screen.Warn($"the store cannot be reached ({why}); run {tracked.Run.RunId} is kept in {spool} and sent by 'ozf sync' or the next start here.");
                return tracked;
            }
            catch (Exception ex) when (IsAway(ex) && !cancellationToken.IsCancellationRequested)
            {
                why = settings.Mask(ex.Message.TrimEnd('.'));
            }
        }

        throw CommandException.Unavailable($"the store cannot be reached and there is no place on this machine to keep the run meanwhile ({why}); name a directory with --data.");
    }

    /// <summary>A fault of the store or of the place it is in, not of the call.</summary>
    public static bool IsAway(Exception exception) =>
        exception is BlobStoreException or IOException or UnauthorizedAccessException or OperationCanceledException or CommandException { ExitCode: ExitCodes.Unavailable };

    /// <summary>A host for the runs of a store, without a run of its own.</summary>
    public static async Task<UnmanagedHost> CreateHostAsync(CommandContext context, OpenStore store, Settings settings, DirectOptions direct, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var root = ExecPlaces.RootOf(settings.DataDirectory);
        if (!ExecPlaces.TryMake(root))
        {
            throw new IOException($"{root} cannot be made, is not this user's alone (mode 0700), or is on a network file system");
        }

        direct = direct with { WorkspaceRoot = root };
        var (blobs, time) = (store.Core.Ports.Blobs, context.Time);
        var shims = await CreateShimsAsync(root, time, cancellationToken);
        var own = DirectBackend.CreateOver(direct, shims, blobs, time, loggers);
        var others = DirectBackend.CreateOver(direct with { Output = null, AgentEnded = null, StopHard = CancellationToken.None }, shims, blobs, time, loggers);
        return store.Core.CreateUnmanaged(WorkerSetup.Create(settings, new(), direct.HostEnvironment).Worker, own, others);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static async Task<IShims> CreateShimsAsync(string root, TimeProvider time, CancellationToken cancellationToken)
    {
        if (!HostSystem.IsLinux)
        {
            return new InProcessShims(time);
        }

        try
        {
            var shim = await ShimBinary.InstallAsync(ShimBinary.Beside(AppContext.BaseDirectory), root, cancellationToken);
            return new Shims(new(shim), time);
        }
        catch (ShimException ex)
        {
            throw CommandException.Unavailable(ex.Message);
        }
    }

    private static async Task<TrackedExec> BeginInAsync(
        CommandContext context, Settings settings, DirectOptions direct, RunSubmission submission, bool spooled, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(StoreMayTake, context.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var store = spooled ? LocalStore.Open(settings, context.Surroundings, loggers) : ConfiguredStore.Open(settings, context.Surroundings, loggers);
        try
        {
            var host = await CreateHostAsync(context, store, settings, direct, loggers, either.Token);
            var run = await host.BeginAsync(submission, either.Token);
            return new(store, host, run, ExecPlaces.RootOf(settings.DataDirectory), spooled);
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }
}
