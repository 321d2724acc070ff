using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Commands;

public sealed class ClockTests
{
    // Each shell says which signals reach it, in order, and goes on: only SIGKILL ends it.
    private const string Stubborn = "trap 'echo INT' INT; trap 'echo TERM' TERM; echo ready; while :; do sleep 0.05; done";

    [Fact(Timeout = 180_000)]
    public async Task The_ladder_goes_from_interrupt_over_terminate_to_kill()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh(Stubborn), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "ready");

        // Each rung leaves the shell the time to say so, on a machine that is busy with everything else too.
        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.FromSeconds(5), ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal((null, 9, ShimStopCause.Cancel), (status.ExitCode, status.Signal, status.StoppedBy));
        Assert.Equal("ready\nINT\nTERM\n", rig.Output(SpoolStream.AgentOut));
        var said = rig.Output(SpoolStream.Shim).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, said.Length);
        Assert.Equal("Stopping (agent, cancel): SIGINT", said[0]);
        Assert.Equal("Still running 5 s after SIGINT (agent, cancel): SIGTERM", said[1]);
        Assert.StartsWith("Still running 5 s after SIGTERM (agent, cancel): SIGKILL", said[2], StringComparison.Ordinal);
        Assert.InRange((status.EndedAt - status.StartedAt)!.Value, TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(2));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_command_that_heeds_the_interrupt_keeps_its_exit_code_and_the_cause_is_noted()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh("trap 'echo bye; exit 3' INT; echo ready; while :; do sleep 0.05; done"), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "ready");

        await session.StopAsync(ShimStopCause.Shutdown, TimeSpan.FromSeconds(30), ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal((3, ShimStopCause.Shutdown), (status.ExitCode, status.StoppedBy));
        Assert.Equal("ready\nbye\n", rig.Output(SpoolStream.AgentOut));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_second_stop_makes_the_ladder_faster_and_leaves_the_cause()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh(Stubborn), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "ready");

        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.FromMinutes(10), ShimRig.Cancellation);
        await session.StopAsync(ShimStopCause.Shutdown, TimeSpan.Zero, ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal((9, ShimStopCause.Cancel), (status.Signal, status.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_stop_with_nothing_running_is_harmless()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.Zero, ShimRig.Cancellation);
        var status = await rig.RunAsync(session, rig.Sh("exit 4"));
        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.Zero, ShimRig.Cancellation);

        Assert.Equal((4, null), (status.ExitCode, status.StoppedBy));
        Assert.Null(session.Status.Find(ShimPhase.Agent)!.StoppedBy);
    }

    [Fact(Timeout = 180_000)]
    public async Task The_total_time_ends()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Sh("while :; do echo tick; sleep 0.05; done") with { Timeout = TimeSpan.FromSeconds(0.5), SilenceTimeout = TimeSpan.FromSeconds(20) });

        Assert.Equal((ShimStopCause.Timeout, "ran for 0.5 s"), (status.StoppedBy, status.StopDetail));
        Assert.InRange((status.EndedAt - status.StartedAt)!.Value, TimeSpan.FromSeconds(0.5), TimeSpan.FromMinutes(2));
    }

    [Theory(Timeout = 180_000)]
    [InlineData("sleep 6.5; exit 0", 6, true)]
    [InlineData("sleep 6.5; exit 0", 7, false)]
    [InlineData("exit 0", 6, false)]
    public async Task An_end_of_its_own_when_only_the_grace_is_left_is_told(string script, int grace, bool isTold)
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Sh(script) with { Timeout = TimeSpan.FromSeconds(12), StopGrace = TimeSpan.FromSeconds(grace) });

        Assert.Equal((0, null, isTold), (status.ExitCode, status.StoppedBy, status.LeftAtDeadline));
        Assert.Equal(isTold ? ("FAILED", "task_timeout") : ("SUCCEEDED", "completed"), LonelyVerdict.Of(session.Status));
    }

    [Fact(Timeout = 180_000)]
    public async Task Silence_ends_and_output_puts_it_off()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        // Ten seconds from the first output to the last, of which a slow machine may make more: longer than the silence allowed, and each pause far shorter.
        var status = await rig.RunAsync(session, rig.Sh("for i in 1 2 3 4 5; do echo $i >&2; sleep 2.5; done; exec sleep 60") with { SilenceTimeout = TimeSpan.FromSeconds(9) });

        Assert.Equal((ShimStopCause.Silence, "no output for 9 s"), (status.StoppedBy, status.StopDetail));
        Assert.Equal("1\n2\n3\n4\n5\n", rig.Output(SpoolStream.AgentErr));
        Assert.InRange((status.EndedAt - status.StartedAt)!.Value, TimeSpan.FromSeconds(19), TimeSpan.FromMinutes(2));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_command_that_closed_its_output_and_stays_is_stopped_as_finished()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();

        var status = await rig.RunAsync(session, rig.Sh("echo done; exec >&- 2>&-; exec sleep 60") with { FinishedGrace = TimeSpan.FromSeconds(0.3) });

        Assert.Equal((ShimStopCause.Finished, "closed its output and did not exit for 0.3 s"), (status.StoppedBy, status.StopDetail));
        Assert.Equal("done\n", rig.Output(SpoolStream.AgentOut));
    }

    [Theory]
    [InlineData(ShimStopCause.Lease, 3_600, 20)]
    [InlineData(ShimStopCause.Lease, 20, 20)]
    [InlineData(ShimStopCause.Lease, 2, 2)]
    [InlineData(ShimStopCause.Cancel, 3_600, 3_600)]
    public void The_ladder_is_at_its_end_before_others_may_start_the_run_anew(ShimStopCause cause, int grace, int given)
    {
        // Between the end of a lease and T4: a minute before the lease is over for others too, and a minute after.
        var untilOthersMay = TimeSpan.FromMinutes(2);
        var now = 0L;
        var ladder = new StopLadder(ShimPhase.Agent, _ => true, () => now, _ => { });

        ladder.Stop(cause, TimeSpan.FromSeconds(grace), null);
        Assert.Equal(given * 1_000L, ladder.NextAt);
        now = ladder.NextAt;
        ladder.Climb();
        Assert.Equal((given * 2_000L, false), (ladder.NextAt, ladder.AtEnd));
        now = ladder.NextAt;
        ladder.Climb();

        Assert.True(ladder.AtEnd);
        Assert.True(cause != ShimStopCause.Lease || now < untilOthersMay.TotalMilliseconds / 2);
    }

    [Fact]
    public void From_the_end_of_its_output_on_a_command_is_not_silent_but_finished()
    {
        var now = 0L;
        var ladder = new StopLadder(ShimPhase.Agent, _ => true, () => now, _ => { });
        var command = new ShimCommand { Phase = ShimPhase.Agent, Arguments = ["x"], Environment = [], WorkingDirectory = "/", FinishedGrace = TimeSpan.FromSeconds(0.3), SilenceTimeout = TimeSpan.FromSeconds(0.1) };
        var clocks = new CommandClocks(command, ladder, now);

        now = 50;
        clocks.NoteOutputEnd(now);
        now = 349;
        Assert.Equal((350, null), (clocks.Check(now, long.MaxValue), ladder.Cause));
        now = 350;
        clocks.Check(now, long.MaxValue);

        Assert.Equal((ShimStopCause.Finished, "closed its output and did not exit for 0.3 s"), (ladder.Cause, ladder.Detail));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_host_may_say_that_a_command_has_finished()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh("echo result; exec sleep 60"), ShimRig.Cancellation);
        await rig.OutputHoldsAsync(session, "result");

        await session.StopAsync(ShimStopCause.Finished, TimeSpan.FromSeconds(5), ShimRig.Cancellation);
        var status = await session.WaitAsync(ShimPhase.Agent, ShimRig.Cancellation);

        Assert.Equal((2, ShimStopCause.Finished), (status.Signal, status.StoppedBy));
    }

    [Fact(Timeout = 180_000)]
    public async Task An_end_while_a_command_runs_waits_for_it()
    {
        await using var rig = new ShimRig();
        var session = await rig.LaunchAsync();
        await session.StartAsync(rig.Sh("sleep 0.3; exit 5"), ShimRig.Cancellation);

        await session.EndAsync(ShimRig.Cancellation);

        Assert.Equal((5, null), (session.Status.Find(ShimPhase.Agent)!.ExitCode, session.Status.Find(ShimPhase.Agent)!.StoppedBy));
        Assert.Equal(5, ShimRig.Shims.ReadStatus(rig.PrivateDirectory)!.Find(ShimPhase.Agent)!.ExitCode);
        Assert.Null(await ShimRig.Shims.TryAttachAsync(rig.PrivateDirectory, ShimRig.Cancellation));
    }
}
