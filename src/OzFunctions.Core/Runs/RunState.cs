using System.Text.Json.Serialization;

namespace OzFunctions.Runs;

/// <summary>States as in Oz (facts D1). Waiting is <see cref="Queued"/> with <c>waiting_for</c>.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RunState>))]
public enum RunState
{
    [JsonStringEnumMemberName("QUEUED")]
    Queued,
    [JsonStringEnumMemberName("CLAIMED")]
    Claimed,
    [JsonStringEnumMemberName("INPROGRESS")]
    InProgress,
    [JsonStringEnumMemberName("SUCCEEDED")]
    Succeeded,
    [JsonStringEnumMemberName("FAILED")]
    Failed,
    [JsonStringEnumMemberName("ERROR")]
    Error,
    [JsonStringEnumMemberName("CANCELLED")]
    Cancelled,
    [JsonStringEnumMemberName("BLOCKED")]
    Blocked,
}

/// <summary>What a state means for the protocol.</summary>
public static class RunStates
{
    public static bool IsTerminal(this RunState state) => state >= RunState.Succeeded;

    public static bool IsOwned(this RunState state) => state is RunState.Claimed or RunState.InProgress;

    /// <summary>The name on the wire, <c>INPROGRESS</c>.</summary>
    public static string Text(this RunState state) => state switch
    {
        RunState.InProgress => "INPROGRESS",
        _ => state.ToString().ToUpperInvariant(),
    };
}
