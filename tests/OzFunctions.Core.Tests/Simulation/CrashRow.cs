using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>
/// What the crash table says of the run of a phase, whatever its process meets: how it ends, and how much time goes by until then at most. Only time by which the world's
/// clock is moved counts, and it is moved no further: however long a thread stalls, no lease runs out of which the row says nothing.
/// </summary>
/// <param name="Starts">Of the agent: as the record says, and really.</param>
/// <param name="UntilEnd">Until the run is terminal.</param>
/// <param name="UntilSettled">Until nothing is owed any more.</param>
internal sealed record CrashRow(RunState State, RunReason Reason, int Starts, TimeSpan UntilEnd, TimeSpan UntilSettled)
{
    /// <summary>T3: a marker is a minute old before a tick looks, and a tick that failed is repeated.</summary>
    private static readonly TimeSpan OfTick = TimeSpan.FromMinutes(3);

    /// <summary>T3 where a dead host's last heartbeat names the run: that is believed until the lease and its margin are over.</summary>
    private static readonly TimeSpan OfDeadHost = World.Lease + TimeSpan.FromMinutes(1) + OfTick;

    /// <param name="killed">The process of the phase was.</param>
    public static CrashRow Of(FaultPhase phase, bool killed) => phase switch
    {
        // I2 to I6: whoever repeats the request finishes it, else T3.
        FaultPhase.Submit or FaultPhase.Send => new(RunState.Succeeded, RunReason.Completed, Starts: 1, OfTick, OfTick),

        // C4 to S6: adoption, for which no time needs to go by, and a fault that is no kill is repeated at once. S7 to S10: adoption and T3.
        FaultPhase.Run => new(RunState.Succeeded, RunReason.Completed, Starts: 1, TimeSpan.Zero, killed ? OfDeadHost : OfTick),
        FaultPhase.Adopt => new(RunState.Succeeded, RunReason.Completed, Starts: 1, TimeSpan.Zero, OfDeadHost),

        // X1: the first canceller ends it, or the second; what it owes then, T3 sends.
        FaultPhase.CancelWaiting => new(RunState.Cancelled, RunReason.TaskCancelled, Starts: 0, TimeSpan.Zero, OfTick),

        // X2: the host reads its signals and its records all the time. X3 does not come into it: this agent ends for nothing but a stop.
        FaultPhase.CancelRunning => new(RunState.Cancelled, RunReason.TaskCancelled, Starts: 1, TimeSpan.Zero, OfTick),

        // What a killed reader had received is hidden for a minute, and what others gave up is looked at once a minute; then as Run.
        FaultPhase.Consume => new(RunState.Succeeded, RunReason.Completed, Starts: 1, OfTick, killed ? OfDeadHost : OfTick),

        // As Run: one heartbeat, one listing, one tick more or less changes nothing.
        FaultPhase.Watch => new(RunState.Cancelled, RunReason.TaskCancelled, Starts: 1, TimeSpan.Zero, killed ? OfDeadHost : OfTick),

        // C6: a key that was taken is looked at again after 5 s; a run that went back without its entry is T3's.
        FaultPhase.GiveBack => new(RunState.Succeeded, RunReason.Completed, Starts: 1, OfTick, killed ? OfDeadHost : OfTick),

        // C5 to C8 of a lost machine: T4, a CLAIMED run has started nothing; 10 s later it may be claimed again.
        FaultPhase.LoseClaimed => new(RunState.Succeeded, RunReason.Completed, Starts: 1, OfTick, OfTick),

        // C9 to S6 of a lost machine: T4 must assume that the agent was started, and max_attempts allows no other.
        FaultPhase.LoseStarted => new(RunState.Error, RunReason.HostLost, Starts: 1, OfTick, OfTick),
        _ => throw new ArgumentOutOfRangeException(nameof(phase), phase, null),
    };

    /// <summary>An agent that was executed leaves a log and an artifact, unless its machine was lost with it.</summary>
    public bool LeavesFiles => Starts > 0 && State != RunState.Error;

    /// <summary>What is otherwise, a sentence; null: nothing.</summary>
    public string? FindOther(RunRecord record, int executions) => (record.State, record.Reason, record.Starts, executions) != (State, Reason, Starts, Starts)
        ? $"4: run {record.RunId} is {record.State.Text()} ({record.Reason?.Text()}: {record.Message}) after {record.Starts} start(s) and {executions} execution(s), not {State.Text()} ({Reason.Text()}) after {Starts}"
        : LeavesFiles && record.CurrentAttempt?.Log is not { Sealed: true }
        ? $"4: the log of run {record.RunId} attempt {record.Attempt} is not sealed"
        : null;
}
