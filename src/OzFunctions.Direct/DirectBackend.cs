using Microsoft.Extensions.Logging;
using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Leftovers;
using OzFunctions.Direct.Logs;
using OzFunctions.Direct.Masking;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Hosts;
using OzFunctions.Local;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Direct;

/// <summary>Runs attempts as processes of this machine, each under a shim of its own (design section 8).</summary>
public sealed partial class DirectBackend : IRunBackend
{
    private readonly DirectOptions _options;
    private readonly IShims _shims;
    private readonly OpenAttemptLog _openLog;
    private readonly IBlobStore _blobs;
    private readonly TimeProvider _time;
    private readonly ILogger<DirectBackend> _logger;
    private readonly AttemptDirectories _directories;
    private readonly MachineHostLocks? _hostLocks;
    private readonly Shortages _shortages;
    private readonly LeftoverSweep _leftovers;
    private readonly MaskerCache _maskers = new();
    private readonly AgentVersions? _versions;

    internal DirectBackend(DirectOptions options, IShims shims, OpenAttemptLog openLog, IBlobStore blobs, TimeProvider time, ILogger<DirectBackend> logger)
    {
        (_options, _shims, _openLog, _blobs, _time, _logger) = (options, shims, openLog, blobs, time, logger);
        _directories = new AttemptDirectories(options, shims, time, NotUnderstood, LeftBehind);
        _hostLocks = HostSystem.IsLinux ? new MachineHostLocks(options, time) : null;
        _shortages = new Shortages(options);
        _leftovers = new LeftoverSweep(options, time, logger);
        _versions = options.AsksVersion ? new AgentVersions(options.HostEnvironment, options.VersionTimeout) : null;
    }

    /// <summary>The backend with its own shims and logs, as a host composes it.</summary>
    public static DirectBackend Create(DirectOptions options, ShimBinary shim, IBlobStore blobs, TimeProvider time, ILoggerFactory loggers) =>
        CreateOver(options, new Shims.Shims(shim, time), blobs, time, loggers);

    /// <summary>The same over other supervisors than this product's own.</summary>
    public static DirectBackend CreateOver(DirectOptions options, IShims shims, IBlobStore blobs, TimeProvider time, ILoggerFactory loggers)
    {
        var logs = new AttemptLogs(blobs, new AttemptLogOptions { Cap = options.LogBytes, Output = options.Output }, time, loggers.CreateLogger<AttemptLogs>());
        return new DirectBackend(options, shims, logs.Open, blobs, time, loggers.CreateLogger<DirectBackend>());
    }

    public string? FindShortage() => _shortages.Find();

    public BackendMeasures Measure() => new()
    {
        DiskFreeBytes = !HostSystem.IsLinux ? null : Posix.Libc.FindFileSystem(_options.WorkspaceRoot)?.FreeBytes,
        SpoolBytes = _directories.MeasureSpools(),
    };

    public IHostLock? HostLocks => _hostLocks;

    public IAttemptDirectory CreateDirectory(AttemptIntent intent) => _directories.Create(intent);

    public IReadOnlyList<IAttemptDirectory> TakeAbandonedDirectories(string store, Func<string, AttemptIntent, bool>? isWanted = null)
    {
        _ = _leftovers.MayBegin();
        return _directories.TakeAbandoned(store, isWanted);
    }

    public async Task<AttemptOutcome> RunAsync(IOwnedAttempt attempt, CancellationToken detach)
    {
        var directory = (AttemptDirectory)attempt.Directory;
        if (directory.FindOutcome() is { } outcome)
        {
            return outcome;
        }

        var record = attempt.Record;
        using var journal = AttemptJournal.Open(directory.Places.Journal, _time);
        var reader = new AgentOutputReader(record.Request.Harness, _options.FinishedPattern);

        // The record says so too: a run of the host's own account may have put another journal in the place of ours.
        var wasFixed = journal.Has(JournalStep.AgentRequested) || record.State == RunState.InProgress;
        var masks = AttemptMasks.Open(_options, record.Request, directory.Places, _maskers, wasFixed, record.CurrentAttempt?.MasksSha256);
        await using var log = _openLog(record.RunId, record.Attempt, directory.Places.Directory, reader, masks.CreateFilter);
        if (journal.Find(JournalStep.Begun) is null && journal.WorkspacePath is null)
        {
            BegunSettings.Note(journal, _options, _time.GetUtcNow());
        }

        var options = BegunSettings.Of(journal, _options);
        var scope = new AttemptScope(options, attempt, directory.Places with { Owner = options.User }, journal, log, masks, reader, _time);
        if (masks.IsLost)
        {
            scope.Warn("What is to be masked of this run was removed, replaced or made unreadable in its private directory: the output of its commands is not shown from here on, and no text artifacts are kept.");
        }

        await using var shim = new AttemptShim(_shims, scope);
        var verdict = await DecideAsync(scope, shim, detach);
        var settlement = new AttemptSettlement(
            scope, shim, _blobs, exception => Crashed(record.RunId, masks.Conceal(exception)), exception => NotKeptYet(record.RunId, masks.Conceal(exception)));
        _options.Decided?.Invoke(AttemptRecords.Render(scope, shim, settlement, verdict));
        await settlement.RunAsync(verdict, detach);
        outcome = AttemptRecords.Render(scope, shim, settlement, verdict);
        try
        {
            directory.WriteOutcome(outcome);
        }
        catch (IOException exception)
        {
            // A full disk must not hold the outcome back; only a crash before S7 would make the next host work it out again.
            NotKept(record.RunId, exception);
        }

        attempt.Probe.Passed(ProtocolStep.S6, record.RunId);
        return outcome;
    }

    private async Task<Verdict> DecideAsync(AttemptScope scope, AttemptShim shim, CancellationToken detach)
    {
        var known = scope.Journal.Find(JournalStep.Ended) is { } ended ? new Verdict(ended.Reason, ended.Message) : null;
        Verdict verdict;
        try
        {
            if (scope.Owned.Adopted)
            {
                await shim.AttachAsync(detach);
                await ClearInquiriesAsync(scope, detach);
            }

            if (known is not null)
            {
                // What the agent said of itself is in its output only.
                await shim.RereadAgentAsync(detach);
                return known;
            }

            verdict = await new AttemptStart(scope, shim, _versions, Inquire).RunAsync(detach);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !detach.IsCancellationRequested)
        {
            // The one catch-all of an attempt: a bug must not leave a workspace, a shim or an unfinished run behind.
            Crashed(scope.Record.RunId, scope.Masks.Conceal(exception));
            if (known is not null)
            {
                return known;
            }

            verdict = new Verdict(RunReason.Internal, "The host failed; its log says more.");
        }

        scope.Places.GiveUpReserve();
        verdict = verdict with { Message = verdict.Message is { } message ? scope.Masks.Mask(message) : null };
        scope.Say(verdict.Message ?? "The agent has finished");
        scope.Journal.End(verdict.Reason, verdict.Message);
        return verdict;
    }

    private Inquiry Inquire(string directory) => new(_shims, directory, _time);

    private async Task ClearInquiriesAsync(AttemptScope scope, CancellationToken cancellationToken)
    {
        try
        {
            await Inquiry.ClearAllAsync(_shims, scope.Places, _time, cancellationToken);
        }
        catch (ShimException exception)
        {
            scope.Warn(exception.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "What {Directory} is for cannot be read, so it is left as it is: an agent may work there. Make its intent.json readable, or remove the directory when nothing runs in it")]
    private partial void NotUnderstood(string directory, Exception exception);

    [LoggerMessage(LogLevel.Warning, "{Directory} of an attempt that is over could not be removed whole, it is tried again every 10 minutes: {Left}")]
    private partial void LeftBehind(string directory, string left);

    [LoggerMessage(LogLevel.Warning, "The outcome of run {RunId} could not be kept on disk")]
    private partial void NotKept(RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Warning, "The artifacts of run {RunId} cannot be stored now; they are kept and tried again")]
    private partial void NotKeptYet(RunId runId, Exception exception);

    [LoggerMessage(LogLevel.Error, "Run {RunId} met an unexpected fault")]
    private partial void Crashed(RunId runId, Exception exception);
}
