using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Backends;

/// <summary>What a backend sees of the attempt it runs: the record, the permission to start, and orders to stop.</summary>
public interface IOwnedAttempt
{
    /// <summary>The record as it was when this host last read or wrote it.</summary>
    RunRecord Record { get; }

    IAttemptDirectory Directory { get; }

    /// <summary>True when another process began this attempt; journal and shim then say how far it came.</summary>
    bool Adopted { get; }

    IProtocolProbe Probe { get; }

    /// <summary>C9: makes the record INPROGRESS. Only after <see cref="StartPermission.Start"/> may the agent be executed.</summary>
    /// <param name="masksSha256">By which a host that adopts the attempt knows what is to be masked of it, <see cref="AttemptRecord.MasksSha256"/>; null: it cannot tell.</param>
    /// <param name="cancellationToken">Ends the wait for a store that is away.</param>
    Task<StartPermission> StartAsync(string? masksSha256, CancellationToken cancellationToken);

    /// <summary>After C10: the agent was executed. Best effort (<c>started</c> event).</summary>
    Task NoteStartedAsync(CancellationToken cancellationToken);

    /// <summary>Time until this host may no longer let an agent run (protocol L2), zero when past. Shims are told the same.</summary>
    TimeSpan LeaseLeft { get; }

    /// <summary>The strongest order so far; null: go on.</summary>
    StopOrder? StopOrder { get; }

    /// <summary>Fires with the first order; an order that follows a weaker one is seen in <see cref="StopOrder"/>.</summary>
    CancellationToken StopOrdered { get; }
}

/// <summary>Answer of C9.</summary>
public enum StartPermission
{
    /// <summary>The record says INPROGRESS; execute the agent.</summary>
    Start,

    /// <summary>A cancel stands in the record, or a stop was ordered; the agent is not started.</summary>
    Cancelled,

    /// <summary>Somebody else owns the run now.</summary>
    Fenced,
}

/// <summary>Why an attempt must stop, weakest first.</summary>
public enum StopOrder
{
    Cancel,
    Shutdown,
    Lease,
    Fenced,
}
