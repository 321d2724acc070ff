using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Logs;

/// <summary>
/// The live log of one attempt (design section 9): renders spool pieces to NDJSON, appends them to the blob by journal, and shows each line of the
/// agent to an observer. Opened again by a host that adopts, it goes on where the journal stands, with no line lost or doubled.
/// </summary>
public interface IAttemptLog : IAsyncDisposable
{
    /// <summary>Adds a line of the host itself, in order with what was read so far. Durable against a crash of this process when it returns.</summary>
    void AddHostLine(string message);

    /// <summary>Follows the spool until <paramref name="until"/> is over and everything it wrote is read; appends go on in the background.</summary>
    Task FollowAsync(Shims.IShimSession session, string until, CancellationToken cancellationToken);

    /// <summary>Reads what a shim that is gone left in its spool.</summary>
    Task DrainAsync(CancellationToken cancellationToken);

    /// <summary>Bytes appended so far are in the store when it returns; throws when the store cannot be reached.</summary>
    Task FlushAsync(CancellationToken cancellationToken);

    /// <summary>S2: everything is appended, the tail after the cut included, and durable; no line may follow. Throws when the store has refused the log for 10 minutes.</summary>
    Task<LogSummary> SealAsync(CancellationToken cancellationToken);
}

/// <summary>Sees each whole line of the agent's stdout and stderr once, in order; after adoption again from the first line.</summary>
public interface IAgentLineObserver
{
    void OnLine(SpoolStream stream, ReadOnlySpan<byte> line);
}
