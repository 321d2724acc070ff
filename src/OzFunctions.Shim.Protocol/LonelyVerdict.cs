namespace OzFunctions.Shim.Protocol;

/// <summary>
/// How a run ended by what its shim alone saw, in the words that a teardown is told. The host's own rules come to the same, except where they know what the agent had said
/// or to the second until when it was told to work.
/// </summary>
public static class LonelyVerdict
{
    /// <summary>Null: the host was lost before anything had decided it.</summary>
    public static (string State, string Reason)? Of(ShimStatus status) =>
        status.Find(ShimPhase.Agent) is { } agent ? OfAgent(agent) : status.Find(ShimPhase.Setup) is { } setup ? OfSetup(setup) : null;

    private static (string State, string Reason)? OfAgent(ShimCommandStatus agent) => agent switch
    {
        { Ended: false } or { SpawnError: 0, StoppedBy: null, ExitCode: null, Signal: null } => null,
        { SpawnError: not 0 } => ("ERROR", "agent_not_found"),
        { StoppedBy: null, ExitCode: 0, LeftAtDeadline: true } => ("FAILED", "task_timeout"),
        { StoppedBy: null, ExitCode: 0 } => ("SUCCEEDED", "completed"),
        { StoppedBy: null or ShimStopCause.Finished } => ("FAILED", "agent_invocation"),
        { StoppedBy: ShimStopCause.Timeout } => ("FAILED", "task_timeout"),
        { StoppedBy: ShimStopCause.Silence } => ("FAILED", "silence_timeout"),
        _ => OfStop(agent),
    };

    private static (string State, string Reason)? OfSetup(ShimCommandStatus setup) => setup switch
    {
        { Ended: false } or { SpawnError: 0, StoppedBy: null, ExitCode: 0 } => null,
        { SpawnError: not 0 } => ("ERROR", "workspace_setup"),
        { StoppedBy: null } => ("FAILED", "setup_command"),
        { StoppedBy: ShimStopCause.Timeout } => ("FAILED", "setup_timeout"),
        _ => OfStop(setup),
    };

    private static (string State, string Reason)? OfStop(ShimCommandStatus command) => command.StoppedBy switch
    {
        ShimStopCause.Limit => ("FAILED", command.Limit == LimitName.Workspace ? "workspace_limit" : "resource_limit"),
        ShimStopCause.Cancel => ("CANCELLED", "task_cancelled"),
        ShimStopCause.Shutdown => ("ERROR", "graceful_shutdown"),
        ShimStopCause.Lease => null,
        _ => ("ERROR", "internal"),
    };
}
