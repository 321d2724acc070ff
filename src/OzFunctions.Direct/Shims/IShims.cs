using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>Starts, finds and cleans up after shims: one per attempt, in the attempt's private directory.</summary>
public interface IShims
{
    /// <summary>What these supervisors cannot promise, one sentence for the record; null: they keep every promise.</summary>
    string? Shortcoming => null;

    /// <summary>Starts a shim that outlives this process; returns when it is ready. Throws <see cref="ShimException"/> with a sentence.</summary>
    Task<IShimSession> LaunchAsync(ShimLaunch launch, CancellationToken cancellationToken);

    /// <summary>Connects to the live shim of a directory that another process launched; null when none lives.</summary>
    Task<IShimSession?> TryAttachAsync(string privateDirectory, CancellationToken cancellationToken);

    /// <summary>What the shim wrote durably, also after its death; null when it never came to be ready.</summary>
    ShimStatus? ReadStatus(string privateDirectory);

    /// <summary>
    /// Whom a directory's shim can be recognised by, also when a command has removed or replaced what it wrote: what it wrote where that is of the one that lives, else its
    /// process and tag as the kernel knows them, without a word of its commands; of a dead one whose file is gone the tag alone, as what it left carries it. Null when there is neither.
    /// </summary>
    ShimStatus? Identify(string privateDirectory);

    /// <summary>Lets a shim that was stopped by a signal (SIGSTOP) go on. Harmless to one that works, and when none lives.</summary>
    /// <param name="privateDirectory">Its own.</param>
    /// <param name="known">What it said itself, which counts more than anything that its commands may reach; null: as <see cref="Identify"/> tells.</param>
    void Continue(string privateDirectory, ShimStatus? known);

    /// <summary>Kills a shim that lives and does not answer, and nothing else; what it ran is for <see cref="SweepAsync"/>. Harmless when none lives.</summary>
    /// <inheritdoc cref="Continue"/>
    void Kill(string privateDirectory, ShimStatus? known);

    /// <summary>
    /// Ends whatever a shim's commands left running when it is over, found by the tag in its status (facts/shim.md section 8). Returns how many processes were ended: after
    /// a shim that was shot perhaps many, after one that ended by itself none, which is the proof of its work. Throws <see cref="ShimException"/> when the shim itself does not end.
    /// </summary>
    Task<int> SweepAsync(string privateDirectory, ShimStatus? known, CancellationToken cancellationToken);

    /// <summary>The same where only the file is known.</summary>
    Task<int> SweepAsync(string privateDirectory, CancellationToken cancellationToken) => SweepAsync(privateDirectory, known: null, cancellationToken);
}

/// <summary>What a shim is told once, at its start.</summary>
public sealed record ShimLaunch
{
    /// <summary><c>&lt;workspace_root&gt;/.ozf/&lt;16 hex&gt;</c>, 0700: holds socket, lock, status and spool.</summary>
    public required string PrivateDirectory { get; init; }

    /// <summary>How long the shim may let commands run from now on without a renewal.</summary>
    public required TimeSpan Lease { get; init; }

    /// <summary>Run by the shim itself when the lease ends and no host has come back; null: none.</summary>
    public ShimCommand? Teardown { get; init; }

    /// <summary>The shim stops what it runs as soon as the connection that launched it is gone (<c>ozf exec</c>). Default: it goes on until its lease is over.</summary>
    public bool EndsWithHost { get; init; }

    /// <summary>What its commands may use.</summary>
    public ShimLimits Limits { get; init; } = new();

    /// <summary>The account that its commands run as; null: this process' own.</summary>
    public ShimUser? User { get; init; }

    /// <summary>Bytes of spool kept on disk: the first half and the last half; the middle is cut and counted.</summary>
    public long SpoolBytes { get; init; } = 256L << 20;
}

/// <summary>A live connection to a shim. Disposing closes the connection; the shim goes on.</summary>
public interface IShimSession : IAsyncDisposable
{
    /// <summary>As last told by the shim.</summary>
    ShimStatus Status { get; }

    /// <summary>
    /// Starts a command; commands run one after the other, each phase at most once: a phase that was started already is not started again and its state is answered.
    /// </summary>
    Task<ShimCommandStatus> StartAsync(ShimCommand command, CancellationToken cancellationToken);

    /// <summary>
    /// Waits until the phase's command is over, its descendants are ended and its status is durable. Throws <see cref="ShimLostException"/> when the shim died.
    /// </summary>
    Task<ShimCommandStatus> WaitAsync(string phase, CancellationToken cancellationToken);

    /// <summary>Waits until the spool holds more than <paramref name="position"/> says, or the current command is over, or the time is up.</summary>
    Task WaitForOutputAsync(SpoolPosition position, TimeSpan atMost, CancellationToken cancellationToken);

    /// <summary>Walks the stop ladder (SIGINT, grace, SIGTERM, grace, SIGKILL of all) on the running command; harmless when none runs.</summary>
    Task StopAsync(ShimStopCause cause, TimeSpan grace, CancellationToken cancellationToken);

    /// <summary>Tells how long commands may run from now on.</summary>
    Task RenewAsync(TimeSpan lease, CancellationToken cancellationToken);

    /// <summary>Asks for nothing but an answer.</summary>
    Task PingAsync(CancellationToken cancellationToken);

    /// <summary>No more commands: the shim ends itself.</summary>
    Task EndAsync(CancellationToken cancellationToken);

    /// <summary>Waits until the shim is gone, whatever ended it: asked to end, its lease over and all done that is done then, or shot.</summary>
    Task WaitForEndAsync(CancellationToken cancellationToken);
}

/// <summary>A shim could not be started or refused a command. The message is for people.</summary>
public class ShimException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The shim died under the host (kill -9); what it ran is found by its tag.</summary>
public sealed class ShimLostException(string message, Exception? inner = null) : ShimException(message, inner);
