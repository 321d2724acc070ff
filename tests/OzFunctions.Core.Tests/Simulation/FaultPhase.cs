namespace OzFunctions.Core.Tests.Simulation;

/// <summary>Which process meets the fault.</summary>
public enum FaultPhase
{
    /// <summary>Who submits; somebody repeats the request with the same key.</summary>
    Submit,

    /// <summary>The host that runs it; another one is started on the machine.</summary>
    Run,

    /// <summary>The host that adopts it from one that was killed while the agent ran.</summary>
    Adopt,

    /// <summary>Who cancels it while it waits; somebody repeats the cancel.</summary>
    CancelWaiting,

    /// <summary>Who cancels it while its agent runs.</summary>
    CancelRunning,

    /// <summary>Who puts the request on the queue; somebody repeats it with the same key.</summary>
    Send,

    /// <summary>The host that takes it from the queue; another one is started on the machine.</summary>
    Consume,

    /// <summary>The host that runs it, at what it does all the time: heartbeats, listings, ticks. The agent goes on until the fault has come; then it is cancelled.</summary>
    Watch,

    /// <summary>The host that claims it (C5) while another run takes its concurrency key (C6).</summary>
    GiveBack,

    /// <summary>Who ticks after a machine was lost with the run claimed.</summary>
    LoseClaimed,

    /// <summary>Who ticks after a machine was lost with the agent started.</summary>
    LoseStarted,
}
