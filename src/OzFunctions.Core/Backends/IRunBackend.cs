using OzFunctions.Artifacts;
using OzFunctions.Hosts;
using OzFunctions.Runs;

namespace OzFunctions.Backends;

/// <summary>Runs attempts on this machine. The protocol decides who owns what; the backend does the work of one attempt (design section 8).</summary>
public interface IRunBackend
{
    /// <summary>Why this machine should take no run now (disk, inodes, memory, a missing agent), as a sentence; null when it may.</summary>
    string? FindShortage();

    /// <summary>What this machine has left, for metrics.</summary>
    BackendMeasures Measure() => new();

    /// <summary>Locks by which the hosts of this machine see that one of them is gone, whatever their store; null: there are none.</summary>
    IHostLock? HostLocks => null;

    /// <summary>C4: makes and locks an attempt directory and writes its intent durably.</summary>
    IAttemptDirectory CreateDirectory(AttemptIntent intent);

    /// <summary>A1: locks every attempt directory of this store whose previous holder is dead.</summary>
    /// <param name="store">Its identity.</param>
    /// <param name="isWanted">Asked of each by its name and intent before its lock is tried; what is not wanted is not touched. Null: all are.</param>
    IReadOnlyList<IAttemptDirectory> TakeAbandonedDirectories(string store, Func<string, AttemptIntent, bool>? isWanted = null);

    /// <summary>
    /// C8 to S6: from "workspace mine" to the durable outcome; an adopted attempt goes on where its journal stands (A3).
    /// When <paramref name="detach"/> fires, following stops, the agent lives on, and the call ends with <see cref="OperationCanceledException"/>.
    /// Everything else ends in an outcome; when the attempt was fenced the outcome is for nobody.
    /// </summary>
    Task<AttemptOutcome> RunAsync(IOwnedAttempt attempt, CancellationToken detach);
}

/// <summary>Null: not measured.</summary>
public sealed record BackendMeasures
{
    /// <summary>Free where workspaces are made.</summary>
    public long? DiskFreeBytes { get; init; }

    /// <summary>Output of attempts that is not removed yet.</summary>
    public long? SpoolBytes { get; init; }
}

/// <summary>An attempt directory (<c>&lt;workspace_root&gt;/.ozf/&lt;16 hex&gt;</c>) whose lock this process holds. Disposing frees the lock and keeps the directory.</summary>
public interface IAttemptDirectory : IDisposable
{
    /// <summary>16 hex digits, <c>owner.dir</c> in the record.</summary>
    string Name { get; }

    /// <summary>Null when the previous host was killed before it wrote one.</summary>
    AttemptIntent? Intent { get; }

    /// <summary>The real path of the directory in which the attempt works beside others (<c>target_dir</c>); null: it has one of its own, or has not begun.</summary>
    string? FindSharedWorkspace() => null;

    /// <summary>S6 of an earlier host, if it came so far.</summary>
    AttemptOutcome? FindOutcome();

    /// <summary>
    /// For a directory that is no longer this run's attempt: ends what its shim still runs, lets it run the teardown that is owed, removes the workspace if the
    /// journal says that this directory made it, then the directory itself. Takes as long as teardown; cut off, it can be begun anew.
    /// </summary>
    Task DiscardAsync(CancellationToken cancellationToken);

    /// <summary>S9: removes the directory and frees the lock.</summary>
    void Delete();
}

/// <summary>Which attempt a directory is for, written before the claim (C4).</summary>
public sealed record AttemptIntent
{
    /// <summary>Identity of the store, so that two stores may share one workspace root.</summary>
    public required string Store { get; init; }

    public required RunId RunId { get; init; }

    public required int Attempt { get; init; }

    /// <summary>Whose hosts go on with it. Null: the record says so, an earlier version wrote this; or any host, it is an <c>exec</c> run's.</summary>
    public string? WorkerId { get; init; }
}

/// <summary>How an attempt ended, with all that was measured (S6, <c>outcome.json</c>).</summary>
public sealed record AttemptOutcome
{
    public required RunReason Reason { get; init; }

    public string? Message { get; init; }

    public required AttemptRecord Attempt { get; init; }

    /// <summary>True: the agent was not executed and will not be, whatever the record says of a start. Null: it was, or nobody can tell.</summary>
    public bool? NotExecuted { get; init; }

    /// <summary>The kept files, for the completion event; at most 50, more are in the manifest only.</summary>
    public IReadOnlyList<ArtifactEntry>? Artifacts { get; init; }
}
