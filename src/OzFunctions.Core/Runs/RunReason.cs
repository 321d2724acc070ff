using System.Text.Json;
using System.Text.Json.Serialization;

namespace OzFunctions.Runs;

/// <summary>Why a run or attempt ended; a closed list, append only. Each reason belongs to exactly one state.</summary>
[JsonConverter(typeof(RunReasonConverter))]
public enum RunReason
{
    Completed,
    AgentBlocked,
    TaskCancelled,
    AgentInvocation,
    SetupCommand,
    SetupTimeout,
    EnvironmentFile,
    TaskTimeout,
    SilenceTimeout,
    ResourceLimit,
    WorkspaceLimit,
    Expired,
    InvalidRequest,
    PolicyRefused,
    BudgetExceeded,
    AgentNotFound,
    WorkspaceSetup,
    DiskLow,
    GracefulShutdown,
    HostLost,
    Internal,
}

/// <summary>The state that goes with each reason: FAILED is the run's own fault, ERROR the infrastructure's.</summary>
public static class RunReasons
{
    public static RunState State(this RunReason reason) => reason switch
    {
        RunReason.Completed => RunState.Succeeded,
        RunReason.AgentBlocked => RunState.Blocked,
        RunReason.TaskCancelled => RunState.Cancelled,
        >= RunReason.AgentInvocation and <= RunReason.BudgetExceeded => RunState.Failed,
        _ => RunState.Error,
    };

    /// <summary>The name on the wire, <c>agent_invocation</c>.</summary>
    public static string Text(this RunReason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());
}

internal sealed class RunReasonConverter() : JsonStringEnumConverter<RunReason>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);
