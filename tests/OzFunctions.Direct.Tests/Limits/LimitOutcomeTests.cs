using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests.Limits;

public sealed class LimitOutcomeTests
{
    [Fact(Timeout = 180_000)]
    public async Task A_run_that_passes_a_limit_fails_with_the_figure_and_is_torn_down()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { Limits = new() { Processes = 15, OpenFiles = 200 }, TeardownCommand = $"echo \"$OZF_RUN_REASON\" > {rig.Temp["teardown"]}" };
        rig.UseScript("i=0; while [ $i -lt 30 ]; do sleep 300 & i=$((i+1)); done; wait");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.ResourceLimit, RunState.Failed, StoppedBy.Limit), (outcome.Reason, outcome.Attempt.State, outcome.Attempt.StoppedBy));
        Assert.Matches(@"^The agent passed a limit and was stopped \(processes: \d+, the limit is 15\)\.$", outcome.Message);
        Assert.Equal("open_files=process processes=sampled", string.Join(' ', outcome.Attempt.Limits!.Select(pair => $"{pair.Key}={pair.Value}")));
        Assert.Equal("resource_limit\n", File.ReadAllText(rig.Temp["teardown"]));
        Assert.Contains("host: Stopping (agent, limit: processes: ", rig.LogOf(attempt), StringComparison.Ordinal);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("TMPDIR")]
    [InlineData("OZ_ARTIFACTS_DIR")]
    [InlineData("HOME")]
    public async Task A_workspace_that_grows_too_large_has_a_reason_of_its_own_wherever_it_grows(string directory)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { Limits = new() { Workspace = 2 << 20 }, PrivateHome = true };
        rig.UseScript($"head -c 1500000 /dev/zero > here; head -c 1500000 /dev/zero > \"${directory}/there\"; exec sleep 300");

        var outcome = await rig.RunAsync(new RunRequest { Prompt = "x" });

        Assert.Equal((RunReason.WorkspaceLimit, StoppedBy.Limit), (outcome.Reason, outcome.Attempt.StoppedBy));
        Assert.Matches(@"\(workspace: [0-9.]+ MiB, the limit is 2 MiB\)", outcome.Message);
    }

    [Fact(Timeout = 180_000)]
    public async Task Setup_has_the_same_limits()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { Limits = new() { LogRate = 10 << 10 }, SetupCommand = "while :; do head -c 100000 /dev/zero | tr '\\0' x; echo; sleep 0.05; done" };

        var outcome = await rig.RunAsync(BackendRig.Fake("noop"));

        Assert.Equal((RunReason.ResourceLimit, StoppedBy.Limit, null), (outcome.Reason, outcome.Attempt.StoppedBy, outcome.Attempt.ExitCode));
        Assert.StartsWith("The setup command passed a limit and was stopped: log_rate: ", outcome.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Without_limits_the_record_names_none()
    {
        await using var rig = new BackendRig();

        Assert.Null((await rig.RunAsync(BackendRig.Fake("noop"))).Attempt.Limits);
    }

    [Fact(Timeout = 180_000)]
    public async Task Each_step_of_the_ladder_is_in_the_log_with_its_reason()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { StopGrace = TimeSpan.FromMilliseconds(300) };

        // It is deaf before it closes its output, from which on its time counts: a timeout could be over before the shell has read its first word.
        rig.UseScript("trap '' INT TERM; exec >&- 2>&-; while :; do sleep 0.05; done");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        await rig.RunAsync(attempt);

        Assert.Contains(
            "host: Stopping (agent, finished: closed its output and did not exit for 0.5 s): SIGINT\n"
            + "host: Still running 0.3 s after SIGINT (agent, finished: closed its output and did not exit for 0.5 s): SIGTERM\n"
            + "host: Still running 0.3 s after SIGTERM (agent, finished: closed its output and did not exit for 0.5 s): SIGKILL to every process of it\n",
            rig.LogOf(attempt),
            StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_agent_whose_leader_is_gone_while_something_holds_its_output_is_over_at_once_with_its_exit_code()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { FinishedGrace = TimeSpan.FromMinutes(10) };
        rig.UseScript("sleep 300 & setsid sleep 300 & echo last; exit 23");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.AgentInvocation, 23, null), (outcome.Reason, outcome.Attempt.ExitCode, outcome.Attempt.StoppedBy));
        Assert.Contains("out: last\n", rig.LogOf(attempt), StringComparison.Ordinal);
    }
}
