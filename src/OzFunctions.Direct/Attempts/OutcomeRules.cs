using System.Globalization;
using OzFunctions.Direct.Agents;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Attempts;

/// <summary>How an attempt ended and the sentence for it.</summary>
internal sealed record Verdict(RunReason Reason, string? Message);

/// <summary>
/// Tells from what the shim saw how an attempt ended (design section 8.5). The shim names a stop cause only if its first signal came before the leader's end:
/// an end before that is the agent's own (protocol X3).
/// </summary>
internal static class OutcomeRules
{
    /// <summary>Null: setup went well.</summary>
    public static Verdict? OfSetup(ShimCommandStatus status, TimeSpan timeout)
    {
        if (status.SpawnError != 0)
        {
            return new(RunReason.WorkspaceSetup, $"The setup command could not be executed: {WhyNot(status)}");
        }

        return status.StoppedBy switch
        {
            null when status.ExitCode == 0 => null,
            null => new(RunReason.SetupCommand, $"The setup command {Ended(status)}; the agent was not started."),
            ShimStopCause.Timeout => new(RunReason.SetupTimeout, $"The setup command took longer than {DurationText.Format(timeout)} and was stopped; the agent was not started."),
            ShimStopCause.Limit => new(ReasonOf(status), $"The setup command passed a limit and was stopped: {status.StopDetail ?? "no figure is known"}."),
            var cause => OfStop(cause.Value, status, "setup command"),
        };
    }

    /// <param name="status">What the shim saw.</param>
    /// <param name="report">What the agent said.</param>
    /// <param name="timeout">The agent's time.</param>
    /// <param name="options">Of the host: its grace, and whether its agents are told a deadline.</param>
    /// <param name="toldToLeave">When the agent was told to stop by itself, on the wall clock; null: it was not.</param>
    public static Verdict OfAgent(ShimCommandStatus status, AgentReport report, TimeSpan timeout, DirectOptions options, DateTimeOffset? toldToLeave = null)
    {
        if (status.SpawnError != 0)
        {
            return new(RunReason.AgentNotFound, $"The agent could not be executed: {WhyNot(status)}");
        }

        switch (status.StoppedBy)
        {
            case null when status.ExitCode == 0:
                return EndedAtSoftDeadline(status, timeout, options, toldToLeave)
                    ? new(RunReason.TaskTimeout, $"The agent stopped by itself at the end of its time ({DurationText.Format(timeout)}).")
                    : new(RunReason.Completed, null);
            case null when report.BlockedOn is { } action:
                return new(RunReason.AgentBlocked, $"The agent waited for a confirmation that nobody could give: {action}");
            case null when status is { ExitCode: null, Signal: null }:
                return new(RunReason.HostLost, $"The agent is over, and how it ended is not known{Detail(status)}.");
            case null:
                return new(RunReason.AgentInvocation, $"The agent {Ended(status)}.");
            case ShimStopCause.Timeout:
                return new(RunReason.TaskTimeout, $"The agent ran longer than {DurationText.Format(timeout)} and was stopped.");
            case ShimStopCause.Silence:
                return new(RunReason.SilenceTimeout, $"The agent wrote nothing for too long and was stopped{Detail(status)}.");
            case ShimStopCause.Limit:
                return new(ReasonOf(status), $"The agent passed a limit and was stopped{Detail(status)}.");
            case ShimStopCause.Finished when report.Final is { } final:
                return final.Succeeded
                    ? new(RunReason.Completed, "The agent said that it had finished but did not exit, and was stopped.")
                    : new(RunReason.AgentInvocation, $"The agent said that it had failed ({final.Message ?? "no reason given"}) but did not exit, and was stopped.");
            case ShimStopCause.Finished:
                return new(RunReason.AgentInvocation, "The agent closed its output but did not exit, and was stopped.");
            default:
                return OfStop(status.StoppedBy.Value, status, "agent");
        }
    }

    private static RunReason ReasonOf(ShimCommandStatus status) => status.Limit == LimitName.Workspace ? RunReason.WorkspaceLimit : RunReason.ResourceLimit;

    private static Verdict OfStop(ShimStopCause cause, ShimCommandStatus status, string what) => cause switch
    {
        ShimStopCause.Cancel => new(RunReason.TaskCancelled, $"The run was cancelled; the {what} was stopped."),
        ShimStopCause.Shutdown => new(RunReason.GracefulShutdown, $"The host was shut down; the {what} was stopped."),
        ShimStopCause.Lease => new(RunReason.HostLost, $"The lease of the host ended; the {what} was stopped."),
        _ => new(RunReason.Internal, $"The {what} was stopped ({cause}){Detail(status)}."),
    };

    /// <summary>
    /// An agent that was told its deadline leaves with 0 when it is reached, which is a moment before its time less the grace is over: it was told in whole
    /// seconds, and before it was started. With a timeout that is hardly longer than the grace the window would cover most of the run, and quick successes
    /// with it: there an exit 0 is taken at its word, and so is that of an agent of <c>ozf exec</c>, which is told no deadline (docs/adr/0020-short-timeouts.md).
    /// </summary>
    private static bool EndedAtSoftDeadline(ShimCommandStatus status, TimeSpan timeout, DirectOptions options, DateTimeOffset? toldToLeave)
    {
        if (!options.Managed || SoftDeadline.Find(timeout, options.StopGrace) is not { } leaves)
        {
            return false;
        }

        var ran = status.RanSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : status.EndedAt - status.StartedAt;
        return ran >= leaves || (toldToLeave is { } told && ran >= told - status.StartedAt);
    }

    private static string Ended(ShimCommandStatus status) => status switch
    {
        { Signal: { } signal } => $"was ended by signal {SignalNames.Get(signal)}",
        { ExitCode: { } code } => string.Create(CultureInfo.InvariantCulture, $"exited with code {code}"),
        _ => "ended in an unknown way",
    };

    private static string WhyNot(ShimCommandStatus status) => status.StopDetail is { Length: > 0 } sentence ? sentence : $"{Posix.Libc.Describe(status.SpawnError)}.";

    private static string Detail(ShimCommandStatus status) => status.StopDetail is { Length: > 0 } detail ? $" ({detail})" : "";
}
