using Microsoft.Extensions.Logging;
using OzFunctions.Backends;
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

    /// <summary>A store that was there a moment ago is given a little longer: what a spool holds waits for another call.</summary>
    private static readonly TimeSpan StartMayWait = TimeSpan.FromSeconds(30);

    private TrackedExec(OpenStore store, UnmanagedHost host, RunRecord run, string root, bool spooled) => (Store, Host, Run, Root, Spooled) = (store, host, run, root, spooled);

    /// <summary>Where its record is.</summary>
    public OpenStore Store { get; }

    public UnmanagedHost Host { get; }

    /// <summary>The record as it was made.</summary>
    public RunRecord Run { get; }

    /// <summary>Where the attempt's private directory is.</summary>
    public string Root { get; }

    public bool Spooled { get; }

    /// <summary>
    /// Makes the record. A store that is away does not keep the agent from running: the record goes to a spool, under the same id, and a warning says so. Nor does a
    /// directory of this machine that cannot be used: another one is.
    /// </summary>
    /// <param name="called">The request as the agent is to see it.</param>
    public static async Task<TrackedExec> BeginAsync(
        CommandContext context, Settings settings, DirectOptions direct, RunSubmission submission, RunRequest called, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        // What the record says and what the agent is told differ only in the stand-in of a prompt that is not there.
        direct = direct with { OmitPrompt = called.Prompt is null };
        var runId = RunId.Create(context.Time);
        var begun = new List<IAttemptDirectory>();
        try
        {
            string why;
            try
            {
                return await BeginInAsync(context, settings, ExecPlaces.Roots(settings, context.Surroundings), direct, submission, runId, begun, spooled: false, loggers, cancellationToken);
            }
            catch (Exception ex) when (IsAway(ex) && !cancellationToken.IsCancellationRequested)
            {
                why = ex is OperationCanceledException ? "it did not answer in time" : settings.Mask(ex.Message.TrimEnd('.'));
            }

            return await SpoolAsync(context, settings, direct, submission, runId, begun, why, loggers, cancellationToken);
        }
        finally
        {
            // Whether their records stand or not: a free lock lets the next call settle them (A1).
            begun.ForEach(directory => directory.Dispose());
        }
    }

    /// <summary>The same run from its beginning in a spool, after the store went away and its host gave up the start.</summary>
    public async Task<TrackedExec> KeepHereAsync(
        CommandContext context, Settings settings, DirectOptions direct, RunSubmission submission, RunRequest called, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var begun = new List<IAttemptDirectory>();
        try
        {
            return await SpoolAsync(
                context, settings, direct with { OmitPrompt = called.Prompt is null }, submission with { Traceparent = Run.Traceparent }, Run.RunId, begun, "it went away before the agent was started", loggers, cancellationToken);
        }
        finally
        {
            begun.ForEach(directory => directory.Dispose());
        }
    }

    /// <summary>A fault of the store, not of the call.</summary>
    public static bool IsAway(Exception exception) => exception is BlobStoreException or IOException or UnauthorizedAccessException or OperationCanceledException;

    /// <summary>A host for the runs of a store, without a run of its own.</summary>
    /// <param name="root">Where their private directories are, by <see cref="ExecPlaces.Roots"/>.</param>
    /// <exception cref="ShimException">The supervisor cannot be installed there.</exception>
    public static async Task<UnmanagedHost> CreateHostAsync(
        CommandContext context, OpenStore store, Settings settings, string root, DirectOptions direct, ILoggerFactory loggers, CancellationToken cancellationToken) =>
        CreateHost(context, store, settings, direct, await CreateBackendsAsync(context, store, root, direct, loggers, cancellationToken), startMayWait: null);

    public ValueTask DisposeAsync() => Store.DisposeAsync();

    private static UnmanagedHost CreateHost(
        CommandContext context, OpenStore store, Settings settings, DirectOptions direct, (DirectBackend Own, DirectBackend Others) backends, TimeSpan? startMayWait) =>
        store.Core.CreateUnmanaged(WorkerSetup.Create(settings, new(), direct.HostEnvironment).Worker, backends.Own, backends.Others, startMayWait);

    private static async Task<(DirectBackend Own, DirectBackend Others)> CreateBackendsAsync(
        CommandContext context, OpenStore store, string root, DirectOptions direct, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        direct = direct with { WorkspaceRoot = root };
        var (blobs, time) = (store.Core.Ports.Blobs, context.Time);
        IShims shims = HostSystem.IsLinux
            ? new Shims(new(await ShimBinary.InstallAsync(ShimBinary.Beside(AppContext.BaseDirectory), root, cancellationToken)), time)
            : new InProcessShims(time);
        var others = direct with { Output = null, Decided = null, StopHard = CancellationToken.None };
        return (DirectBackend.CreateOver(direct, shims, blobs, time, loggers), DirectBackend.CreateOver(others, shims, blobs, time, loggers));
    }

    private static async Task<TrackedExec> SpoolAsync(
        CommandContext context,
        Settings settings,
        DirectOptions direct,
        RunSubmission submission,
        RunId runId,
        List<IAttemptDirectory> begun,
        string why,
        ILoggerFactory loggers,
        CancellationToken cancellationToken)
    {
        var faults = new List<string>();
        foreach (var spool in ExecPlaces.Spools(settings, context.Surroundings))
        {
            if (ExecPlaces.FindFault(spool) is { } fault)
            {
                faults.Add(fault);
                continue;
            }

            TrackedExec tracked;
            try
            {
                IReadOnlyList<ExecRoot> roots = [.. ExecPlaces.Roots(settings, context.Surroundings).Prepend(ExecPlaces.RootOfSpool(spool)).Distinct()];
                tracked = await BeginInAsync(context, ExecPlaces.SettingsOfSpool(settings, spool), roots, direct, submission, runId, begun, spooled: true, loggers, cancellationToken);
            }
            catch (Exception ex) when (IsAway(ex) && !cancellationToken.IsCancellationRequested)
            {
                faults.Add(settings.Mask(ex.Message.TrimEnd('.')));
                continue;
            }

            // A write that was given up may still land; its record meets this one when the spool is sent, and nobody may settle it before as a run that was lost.
            begun.ForEach(directory => directory.Delete());
            context.Screen.Warn($"the store cannot be reached ({why}); run {runId} is kept in {spool} and sent by 'ozf sync' or the next start here.");
            return tracked;
        }

        throw CommandException.Unavailable([$"the store cannot be reached ({why}), and no place on this machine can keep the run meanwhile:", .. faults.Select(fault => $"  {fault}.")]);
    }

    /// <param name="begun">Gets the attempt's directory; it is taken out again when the record is made.</param>
    private static async Task<TrackedExec> BeginInAsync(
        CommandContext context,
        Settings settings,
        IReadOnlyList<ExecRoot> roots,
        DirectOptions direct,
        RunSubmission submission,
        RunId runId,
        List<IAttemptDirectory> begun,
        bool spooled,
        ILoggerFactory loggers,
        CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(StoreMayTake, context.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var store = spooled ? LocalStore.Open(settings, context.Surroundings, loggers) : ConfiguredStore.Open(settings, context.Surroundings, loggers);
        try
        {
            var intent = new AttemptIntent { Store = store.Core.Ports.StoreId, RunId = runId, Attempt = 1 };
            var (root, backends, directory) = await PrepareAsync(context, store, roots, direct, intent, loggers, either.Token);
            begun.Add(directory);
            var host = CreateHost(context, store, settings, direct, backends, spooled ? null : StartMayWait);
            var run = await host.BeginAsync(submission, directory, either.Token);
            begun.Remove(directory);
            return new(store, host, run, root, spooled);
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes the attempt's private directory in the first place that can hold it.</summary>
    private static async Task<(string Root, (DirectBackend Own, DirectBackend Others) Backends, IAttemptDirectory Directory)> PrepareAsync(
        CommandContext context, OpenStore store, IReadOnlyList<ExecRoot> roots, DirectOptions direct, AttemptIntent intent, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var faults = new List<string>();
        foreach (var root in roots)
        {
            if (root.FindFault() is { } fault)
            {
                faults.Add(fault);
                continue;
            }

            try
            {
                var backends = await CreateBackendsAsync(context, store, root.Path, direct, loggers, cancellationToken);
                var directory = backends.Own.CreateDirectory(intent);
                if (faults.Count > 0)
                {
                    context.Screen.Warn($"{faults[0]}. This run's private files are in {root.Path} instead.");
                }

                return (root.Path, backends, directory);
            }
            catch (Exception ex) when (ex is ShimException or IOException or UnauthorizedAccessException)
            {
                faults.Add(ex.Message.TrimEnd('.'));
            }
        }

        throw CommandException.Unavailable([.. faults.Distinct().Select(fault => fault + ".")]);
    }
}
