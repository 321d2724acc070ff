using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Attempts;
using OzFunctions.Runs;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Attempts;

public sealed class OutcomeRulesTests
{
    private static readonly DateTimeOffset Start = DateTimeOffset.UnixEpoch;
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(20);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);
    private static readonly DirectOptions Host = new() { StopGrace = Grace };

    [Theory]
    [InlineData(0, null, null, RunReason.Completed)]
    [InlineData(1, null, null, RunReason.AgentInvocation)]
    [InlineData(137, null, null, RunReason.AgentInvocation)]
    [InlineData(null, 9, null, RunReason.AgentInvocation)]
    [InlineData(0, null, ShimStopCause.Cancel, RunReason.TaskCancelled)]
    [InlineData(0, null, ShimStopCause.Timeout, RunReason.TaskTimeout)]
    [InlineData(null, 15, ShimStopCause.Timeout, RunReason.TaskTimeout)]
    [InlineData(0, null, ShimStopCause.Silence, RunReason.SilenceTimeout)]
    [InlineData(null, 9, ShimStopCause.Limit, RunReason.ResourceLimit)]
    [InlineData(0, null, ShimStopCause.Shutdown, RunReason.GracefulShutdown)]
    [InlineData(0, null, ShimStopCause.Lease, RunReason.HostLost)]
    [InlineData(0, null, ShimStopCause.Finished, RunReason.AgentInvocation)]
    public void The_end_of_an_agent_has_this_reason(int? exitCode, int? signal, ShimStopCause? stoppedBy, RunReason reason) =>
        Assert.Equal(reason, Decide(Ended(exitCode, signal, stoppedBy)).Reason);

    [Theory]
    [InlineData(true, RunReason.Completed)]
    [InlineData(false, RunReason.AgentInvocation)]
    public void The_verdict_of_a_final_line_counts_for_an_agent_that_did_not_leave(bool succeeded, RunReason reason) =>
        Assert.Equal(reason, Decide(Ended(0, null, ShimStopCause.Finished), new AgentReport { Final = new FinalLine(succeeded, "why") }).Reason);

    [Fact]
    public void An_agent_that_waits_for_a_confirmation_is_blocked()
    {
        var verdict = Decide(Ended(1, null, null), new AgentReport { BlockedOn = "run rm" });

        Assert.Equal((RunReason.AgentBlocked, "The agent waited for a confirmation that nobody could give: run rm"), (verdict.Reason, verdict.Message));
    }

    [Fact]
    public void An_end_that_nobody_saw_is_no_success_and_no_fault_of_the_agents() => Assert.Equal(RunReason.HostLost, Decide(Ended(null, null, null)).Reason);

    [Fact]
    public void A_signal_is_named() => Assert.Equal("The agent was ended by signal SIGSEGV.", Decide(Ended(null, 11, null)).Message);

    [Theory]
    [InlineData(1189, RunReason.Completed)]
    [InlineData(1190, RunReason.TaskTimeout)]
    [InlineData(1199, RunReason.TaskTimeout)]
    public void An_agent_that_leaves_at_its_soft_deadline_ran_out_of_time(int seconds, RunReason reason) =>
        Assert.Equal(reason, Decide(Ended(0, null, null) with { EndedAt = Start.AddSeconds(seconds) }).Reason);

    [Theory]
    [InlineData(1190)]
    [InlineData(1199)]
    public void A_success_of_an_agent_that_is_told_no_deadline_is_one_however_late(int seconds) => Assert.Equal(
        RunReason.Completed,
        OutcomeRules.OfAgent(Ended(0, null, null) with { EndedAt = Start.AddSeconds(seconds) }, new AgentReport(), Timeout, Host with { Managed = false }).Reason);

    [Theory]
    [InlineData(1189.2, RunReason.Completed)]
    [InlineData(1189.7, RunReason.TaskTimeout)]
    public void An_agent_that_leaves_when_it_was_told_to_ran_out_of_time(double seconds, RunReason reason)
    {
        // Told a moment before it was started: that moment is missing from the time that it ran.
        var status = Ended(0, null, null) with { StartedAt = Start.AddSeconds(0.4), EndedAt = Start.AddHours(1), RanSeconds = seconds };

        Assert.Equal(reason, OutcomeRules.OfAgent(status, new AgentReport(), Timeout, Host, toldToLeave: Start + Timeout - Grace).Reason);
    }

    [Fact]
    public void The_sleep_of_the_machine_is_no_time_of_the_agent() =>
        Assert.Equal(RunReason.Completed, Decide(Ended(0, null, null) with { EndedAt = Start.AddHours(3), RanSeconds = 600 }).Reason);

    [Fact]
    public void A_quick_success_with_a_timeout_as_short_as_the_grace_is_a_success() =>
        Assert.Equal(RunReason.Completed, OutcomeRules.OfAgent(Ended(0, null, null) with { EndedAt = Start.AddSeconds(6) }, new AgentReport(), TimeSpan.FromSeconds(15), Host).Reason);

    [Fact]
    public void An_agent_that_could_not_be_executed_was_not_found() =>
        Assert.Equal(RunReason.AgentNotFound, Decide(new ShimCommandStatus { Phase = ShimPhase.Agent, SpawnError = 8, Ended = true }).Reason);

    [Theory]
    [InlineData(7, null, RunReason.SetupCommand)]
    [InlineData(0, ShimStopCause.Timeout, RunReason.SetupTimeout)]
    [InlineData(0, ShimStopCause.Cancel, RunReason.TaskCancelled)]
    [InlineData(0, ShimStopCause.Shutdown, RunReason.GracefulShutdown)]
    [InlineData(0, ShimStopCause.Lease, RunReason.HostLost)]
    public void The_end_of_setup_has_this_reason(int exitCode, ShimStopCause? stoppedBy, RunReason reason) =>
        Assert.Equal(reason, OutcomeRules.OfSetup(Ended(exitCode, null, stoppedBy), Timeout)!.Reason);

    [Fact]
    public void Setup_that_exits_with_0_goes_on() => Assert.Null(OutcomeRules.OfSetup(Ended(0, null, null), Timeout));

    [Fact]
    public void Every_stop_cause_has_its_name_in_the_record() =>
        Assert.All(Enum.GetValues<ShimStopCause>(), cause => Assert.Equal(cause.ToString(), Enum.Parse<StoppedBy>(cause.ToString()).ToString()));

    [Theory]
    [InlineData(0, null, null)]
    [InlineData(3, null, null)]
    [InlineData(null, 9, null)]
    [InlineData(null, null, null)]
    [InlineData(0, null, ShimStopCause.Cancel)]
    [InlineData(null, 9, ShimStopCause.Timeout)]
    [InlineData(0, null, ShimStopCause.Silence)]
    [InlineData(0, null, ShimStopCause.Limit)]
    [InlineData(0, null, ShimStopCause.Limit, LimitName.Workspace)]
    [InlineData(0, null, ShimStopCause.Shutdown)]
    [InlineData(0, null, ShimStopCause.Lease)]
    [InlineData(0, null, ShimStopCause.Finished)]
    [InlineData(null, null, null, null, 2)]
    public void A_supervisor_alone_says_of_agent_and_setup_what_the_host_would(int? exitCode, int? signal, ShimStopCause? stoppedBy, string? limit = null, int spawnError = 0)
    {
        var ended = Ended(exitCode, signal, stoppedBy) with { Limit = limit, SpawnError = spawnError };

        Assert.Equal(Words(Decide(ended).Reason), SaidAlone(ended));

        // A setup that went well decides nothing.
        Assert.Equal(Words(OutcomeRules.OfSetup(ended, Timeout)?.Reason ?? RunReason.HostLost), SaidAlone(ended with { Phase = ShimPhase.Setup }));
    }

    [Fact]
    public void A_supervisor_alone_says_of_an_agent_that_left_at_its_deadline_what_the_host_would()
    {
        var ended = Ended(0, null, null) with { EndedAt = Start + Timeout - Grace, LeftAtDeadline = true };

        Assert.Equal(Words(Decide(ended).Reason), SaidAlone(ended));
        Assert.Equal(("FAILED", "task_timeout"), SaidAlone(ended));
    }

    private static (string State, string Reason) Words(RunReason reason) => (reason.State().Text(), reason.Text());

    private static (string State, string Reason) SaidAlone(ShimCommandStatus command) =>
        LonelyVerdict.Of(new ShimStatus { Version = ShimProtocol.Version, Pid = 1, StartTicks = 1, BootId = "", Tag = 0, Commands = [command] }) ?? Words(RunReason.HostLost);

    private static Verdict Decide(ShimCommandStatus status, AgentReport? report = null) => OutcomeRules.OfAgent(status, report ?? new AgentReport(), Timeout, Host);

    private static ShimCommandStatus Ended(int? exitCode, int? signal, ShimStopCause? stoppedBy) => new()
    {
        Phase = ShimPhase.Agent,
        Pid = 1,
        StartedAt = Start,
        Ended = true,
        EndedAt = Start.AddSeconds(60),
        ExitCode = exitCode,
        Signal = signal,
        StoppedBy = stoppedBy,
    };
}
