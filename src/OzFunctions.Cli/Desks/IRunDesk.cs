using OzFunctions.Artifacts;
using OzFunctions.Cancelling;
using OzFunctions.DeadLetters;
using OzFunctions.Hosts;
using OzFunctions.Logs;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Desks;

/// <summary>What commands about runs ask for: of the store of this machine, or of a front door elsewhere. The commands are the same for both.</summary>
internal interface IRunDesk : IAsyncDisposable
{
    /// <summary>Where it looks, for sentences: <c>this store</c>, or an address.</summary>
    string Place { get; }

    /// <summary>Durable when it answers.</summary>
    /// <param name="traceparent">The caller's trace; null: the run has its own.</param>
    Task<SubmitAnswer> SubmitAsync(RunRequest request, string? traceparent, CancellationToken cancellationToken);

    /// <summary>A finished run's request as a new run.</summary>
    Task<SubmitAnswer> RetryAsync(RunRecord finished, CancellationToken cancellationToken);

    /// <summary>Newest first.</summary>
    Task<RunListPage> ListAsync(RunWish wish, ListCursor from, int most, CancellationToken cancellationToken);

    /// <summary>Null: there is no such run.</summary>
    Task<RunRecord?> FindAsync(RunId runId, CancellationToken cancellationToken);

    /// <summary>The record as JSON, as it stands there; null: there is no such run.</summary>
    Task<ReadOnlyMemory<byte>?> FindStoredAsync(RunId runId, CancellationToken cancellationToken);

    /// <summary>The log as stored; with <paramref name="follow"/> until the run (or the one attempt) is over.</summary>
    IAsyncEnumerable<LogChunk> ReadLogAsync(RunId runId, int? attempt, bool follow, CancellationToken cancellationToken);

    Task<ArtifactManifest> ReadManifestAsync(RunId runId, int attempt, CancellationToken cancellationToken);

    /// <summary>An address by which whoever has it reads the file for so long; null: this place makes none.</summary>
    Task<Uri?> FindArtifactLinkAsync(RunId runId, int attempt, string path, TimeSpan lifetime, CancellationToken cancellationToken);

    /// <summary>Null: its content is not there any more.</summary>
    Task<Stream?> OpenArtifactAsync(RunId runId, int attempt, string path, CancellationToken cancellationToken);

    Task<CancelAnswer> CancelAsync(RunId runId, string? reason, CancellationToken cancellationToken);

    /// <summary>Every run that is not over; <paramref name="workerId"/> null: of all workers.</summary>
    Task<IReadOnlyList<CancelledRun>> CancelAllAsync(string? workerId, string? reason, CancellationToken cancellationToken);

    Task<WorkerList> ListWorkersAsync(CancellationToken cancellationToken);

    /// <summary>Answers whether that changed anything.</summary>
    Task<bool> SetPausedAsync(string workerId, bool paused, CancellationToken cancellationToken);

    Task<IReadOnlyList<DeadLetter>> ListDeadLettersAsync(CancellationToken cancellationToken);

    Task<DeadLetter?> FindDeadLetterAsync(string id, CancellationToken cancellationToken);

    /// <summary>Puts it back on its queue, with another body when one is given.</summary>
    Task RequeueAsync(DeadLetter letter, ReadOnlyMemory<byte>? body, CancellationToken cancellationToken);

    Task RemoveDeadLetterAsync(DeadLetter letter, CancellationToken cancellationToken);
}

/// <summary>Which runs a list shows. Empty and null: all.</summary>
internal sealed record RunWish(IReadOnlySet<string> States, string? WorkerId)
{
    public static readonly RunWish All = new(new HashSet<string>(), null);

    public bool Fits(RunSummary run) => (States.Count == 0 || States.Contains(run.State.Text())) && (WorkerId is null || run.WorkerId == WorkerId);
}

/// <summary>What a request became.</summary>
/// <param name="Warning">Why the run may wait; null: nothing to say.</param>
internal sealed record SubmitAnswer(RunId RunId, bool Created, bool RequestDiffers, string? Warning);

/// <summary>One of several runs that were cancelled at once.</summary>
internal sealed record CancelledRun(RunId RunId, CancelResult Result, RunState State);
