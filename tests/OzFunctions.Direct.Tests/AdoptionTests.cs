using OzFunctions.Backends;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests;

/// <summary>A host that goes in any step leaves an attempt that the next one carries on.</summary>
public sealed class AdoptionTests
{
    [Fact(Timeout = 180_000)]
    public async Task A_detached_agent_lives_on_and_the_next_host_gets_its_end_and_every_line()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = "echo torn down" };
        rig.UseScript($"""echo "Run ID: r-1"; echo before; touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; echo after; echo x >"$OZ_ARTIFACTS_DIR/kept"; exit 6""");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });

        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        rig.Temp.Write("go", "");
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal((RunReason.AgentInvocation, 6, "r-1"), (outcome.Reason, outcome.Attempt.ExitCode, outcome.Attempt.OzRunId));
        Assert.Equal(0, second.Starts);
        Assert.Equal(new TeardownResult(true, 0), outcome.Attempt.Teardown);
        var lines = rig.LogOf(second).Split('\n');
        Assert.All(["out: before", "out: after", "teardown: torn down"], line => Assert.Single(lines, line));
        Assert.Equal("x\n", rig.ArtifactOf(second, "kept"));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(ProtocolStep.C8)]
    [InlineData(ProtocolStep.C10)]
    [InlineData(ProtocolStep.S1)]
    [InlineData(ProtocolStep.S2)]
    [InlineData(ProtocolStep.S3)]
    [InlineData(ProtocolStep.S4)]
    [InlineData(ProtocolStep.S5)]
    [InlineData(ProtocolStep.S6)]
    public async Task A_host_that_goes_after_a_step_leaves_nothing_done_twice_or_undone(ProtocolStep step)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = $"echo setup >>{rig.Temp["did"]}", TeardownCommand = $"echo teardown $OZF_RUN_REASON >>{rig.Temp["did"]}" };
        rig.UseScript($"""echo agent >>{rig.Temp["did"]}; echo "Run ID: r-2"; echo x >"$OZ_ARTIFACTS_DIR/kept"; exit 3""");
        var first = rig.Claim(new RunRequest { Prompt = "x" });
        using var detach = new CancellationTokenSource();
        first.OnPassed = passed =>
        {
            if (passed == step)
            {
                detach.Cancel();
                throw new OperationCanceledException("the host goes here", detach.Token);
            }
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => rig.CreateBackend().RunAsync(first, detach.Token));

        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal((RunReason.AgentInvocation, 3, "r-2"), (outcome.Reason, outcome.Attempt.ExitCode, outcome.Attempt.OzRunId));
        Assert.Equal("setup\nagent\nteardown agent_invocation\n", File.ReadAllText(rig.Temp["did"]));
        Assert.Equal(new TeardownResult(true, 0), outcome.Attempt.Teardown);
        Assert.Equal(1, outcome.Attempt.Artifacts!.Count);
        Assert.Equal(["kept"], outcome.Artifacts!.Select(entry => entry.Path));
        Assert.True(outcome.Attempt.Log!.Sealed);
        Assert.False(Directory.Exists(rig.WorkspaceOf(second)));
        Assert.Equal(step == ProtocolStep.C8 ? 1 : 0, second.Starts);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_attempt_whose_host_went_right_after_the_claim_simply_goes_on()
    {
        await using var rig = new BackendRig();
        var backend = rig.CreateBackend();
        var first = rig.Claim(BackendRig.Fake("exit 0"));

        var outcome = await backend.RunAsync(rig.Adopt(first, backend), BackendRig.Cancellation);

        Assert.Equal(RunReason.Completed, outcome.Reason);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shot_shim_makes_the_run_host_lost_and_leaves_no_process()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = "true" };
        rig.UseScript($"setsid sleep 600 >/dev/null 2>&1 & echo here; touch {rig.Temp["started"]}; sleep 600");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["started"]);
        await rig.WaitForOutputAsync(attempt, "here");
        var shim = BackendRig.ShimOf(attempt);
        Testing.Signals.Send(shim.Id, 9);

        var outcome = await running;

        Assert.Equal((RunReason.HostLost, new TeardownResult(false, null)), (outcome.Reason, outcome.Attempt.Teardown));
        Assert.Contains("out: here\n", rig.LogOf(attempt), StringComparison.Ordinal);
        Assert.NotEmpty(outcome.Attempt.Warnings!);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("sleep 600", RunReason.HostLost, null)]
    [InlineData("exit 6", RunReason.AgentInvocation, 6)]
    public async Task After_a_reboot_only_what_is_on_disk_counts_and_no_process_of_this_boot_is_touched(string end, RunReason reason, int? exitCode)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = "true" };
        rig.UseScript($"echo before; echo x >\"$OZ_ARTIFACTS_DIR/kept\"; touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; touch {rig.Temp["gone-on"]}; {end}");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        rig.Temp.Write("go", "");
        await rig.WaitForFileAsync(rig.Temp["gone-on"]);
        if (exitCode is not null)
        {
            await rig.WaitForStatusAsync(first, status => status.Find(Shim.Protocol.ShimPhase.Agent)!.Ended);
        }
        else
        {
            // Nothing of it is on its way out any more.
            Assert.True(SpinWait.SpinUntil(() => Testing.ProcessTable.WithTag(first.Directory.Name).Any(process => process.CommandLine == end), TimeSpan.FromMinutes(1)));
        }

        await rig.WaitForOutputAsync(first, "before");

        // The machine goes down: another boot, in which numbers of processes and tags mean others.
        var shim = BackendRig.ShimOf(first);
        Testing.Signals.Send(shim.Id, 9);
        SpinWait.SpinUntil(() => !Testing.ProcessTable.IsAlive(shim.Id), TimeSpan.FromMinutes(1));
        var file = Path.Combine(rig.PrivateOf(first), Shim.Protocol.ShimProtocol.StatusFile);
        var boot = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
        var status = await File.ReadAllTextAsync(file, BackendRig.Cancellation);
        Assert.Contains(boot, status, StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, status.Replace(boot, Guid.Empty.ToString(), StringComparison.Ordinal), BackendRig.Cancellation);
        var others = Testing.ProcessTable.WithTag(first.Directory.Name);

        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal((reason, exitCode, 0), (outcome.Reason, outcome.Attempt.ExitCode, second.Starts));
        Assert.Equal(exitCode is null, others.Count > 0);
        Assert.All(others, other => Assert.True(Testing.ProcessTable.IsAlive(other.Id), other.ToString()));
        Assert.Equal(new TeardownResult(false, null), outcome.Attempt.Teardown);
        Assert.Contains("out: before\n", rig.LogOf(second), StringComparison.Ordinal);
        Assert.Equal("x\n", rig.ArtifactOf(second, "kept"));
        Assert.False(Directory.Exists(rig.WorkspaceOf(second)));
        foreach (var other in others)
        {
            Testing.Signals.Send(other.Id, 9);
        }

        SpinWait.SpinUntil(() => !others.Any(other => Testing.ProcessTable.IsAlive(other.Id)), TimeSpan.FromMinutes(1));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_setup_that_failed_counts_though_the_next_host_has_none()
    {
        await using var rig = new BackendRig();
        var setup = $"touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; exit 7";
        rig.Options = rig.Options with { SetupCommand = setup };
        rig.UseScript($"touch {rig.Temp["agent"]}");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });

        rig.Options = rig.Options with { SetupCommand = null };
        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        rig.Temp.Write("go", "");
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal((RunReason.SetupCommand, RunState.Failed, 0), (outcome.Reason, outcome.Attempt.State, second.Starts));
        Assert.False(File.Exists(rig.Temp["agent"]));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_supervisor_that_ended_with_its_lease_before_the_agent_was_started_was_not_killed()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = $"touch {rig.Temp["started"]}; exec sleep 600" };
        rig.UseScript($"touch {rig.Temp["agent"]}");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        await rig.EndLeaseAsync(first);
        await rig.WaitForStatusAsync(first, status => status is { LeaseOver: true });
        Assert.True(await Task.Run(() => SpinWait.SpinUntil(() => Testing.ProcessTable.WithTag(first.Directory.Name).Count == 0, TimeSpan.FromMinutes(1)), BackendRig.Cancellation));

        var backend = rig.CreateBackend();
        var outcome = await backend.RunAsync(rig.Adopt(first, backend), BackendRig.Cancellation);

        Assert.Equal((RunReason.HostLost, "The lease of the host ended before the agent was started."), (outcome.Reason, outcome.Message));
        Assert.False(File.Exists(rig.Temp["agent"]));
    }

    [Theory(Timeout = 180_000)]
    [InlineData("exit 0", "SUCCEEDED completed 0", RunReason.Completed)]
    [InlineData("exit 3", "FAILED agent_invocation 3", RunReason.AgentInvocation)]
    [InlineData("kill -9 $$", "FAILED agent_invocation 137", RunReason.AgentInvocation)]
    [InlineData("exec sleep 600", "FAILED task_timeout 130", RunReason.TaskTimeout)]
    [InlineData("echo 'Error: The agent got stuck waiting for user confirmation on the action: run rm' >&2; exit 1", "FAILED agent_invocation 1", RunReason.AgentBlocked)]
    public async Task A_shim_that_tears_down_alone_says_how_the_agent_ended(string end, string told, RunReason reason)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = $"echo $OZF_RUN_STATE $OZF_RUN_REASON $OZF_EXIT_CODE >>{rig.Temp["teardown"]}" };
        rig.UseScript($"touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; {end}");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x", Timeout = reason == RunReason.TaskTimeout ? TimeSpan.FromSeconds(15) : null });
        rig.Temp.Write("go", "");
        await rig.WaitForStatusAsync(first, status => status.Find(Shim.Protocol.ShimPhase.Agent)!.Ended);
        await rig.EndLeaseAsync(first);
        await rig.WaitForStatusAsync(first, status => status.Find(Shim.Protocol.ShimPhase.Teardown) is { Ended: true });

        var backend = rig.CreateBackend();
        var outcome = await backend.RunAsync(rig.Adopt(first, backend), BackendRig.Cancellation);

        Assert.Equal(told + "\n", await File.ReadAllTextAsync(rig.Temp["teardown"], BackendRig.Cancellation));
        Assert.Equal((reason, new TeardownResult(true, 0)), (outcome.Reason, outcome.Attempt.Teardown));

        // What only the host can tell is named where teardown was told otherwise.
        var warned = outcome.Attempt.Warnings?.Any(warning => warning.Contains("Teardown ran while no host was there and was told agent_invocation;", StringComparison.Ordinal)) ?? false;
        Assert.Equal(reason == RunReason.AgentBlocked, warned);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_directory_that_is_nobodys_attempt_is_discarded_with_all_it_made()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}; sleep 600");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        rig.Temp.Write("root/somebody-elses", "x");

        var second = rig.Adopt(first, rig.CreateBackend());
        await second.Directory.DiscardAsync(BackendRig.Cancellation);

        Assert.False(Directory.Exists(rig.WorkspaceOf(first)));
        Assert.False(Directory.Exists(rig.PrivateOf(first)));
        Assert.True(File.Exists(rig.Temp["root/somebody-elses"]));
    }

    [Fact(Timeout = 180_000)]
    public async Task Teardown_of_a_directory_that_is_nobodys_runs_once_also_when_its_removal_is_cut_off()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { StopGrace = TimeSpan.FromSeconds(30), TeardownCommand = $"echo begun $OZF_RUN_REASON >>{rig.Temp["did"]}; touch {rig.Temp["torn"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; echo ended >>{rig.Temp["did"]}" };
        rig.UseScript($"trap 'echo stopped >>{rig.Temp["did"]}; exit' INT; touch {rig.Temp["started"]}; while :; do sleep 0.02; done");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });

        var second = rig.Adopt(first, rig.CreateBackend());
        using (var detach = CancellationTokenSource.CreateLinkedTokenSource(BackendRig.Cancellation))
        {
            var discarding = second.Directory.DiscardAsync(detach.Token);
            await rig.WaitForFileAsync(rig.Temp["torn"]);
            await detach.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => discarding);
        }

        var third = rig.Adopt(second, rig.CreateBackend());
        var again = third.Directory.DiscardAsync(BackendRig.Cancellation);
        rig.Temp.Write("go", "");
        await again;

        Assert.Equal("stopped\nbegun host_lost\nended\n", File.ReadAllText(rig.Temp["did"]));
        Assert.False(Directory.Exists(rig.WorkspaceOf(first)));
        Assert.False(Directory.Exists(rig.PrivateOf(first)));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(null)]
    [InlineData("echo another")]
    public async Task An_attempt_keeps_the_teardown_that_it_began_with(string? teardownOfNextHost)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = "echo its own" };
        rig.UseScript($"touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });

        rig.Options = rig.Options with { TeardownCommand = teardownOfNextHost };
        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        rig.Temp.Write("go", "");
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal((RunReason.Completed, new TeardownResult(true, 0)), (outcome.Reason, outcome.Attempt.Teardown));
        Assert.Equal("teardown: its own", Assert.Single(rig.LogOf(second).Split('\n'), line => line.StartsWith("teardown:", StringComparison.Ordinal)));
    }

    [Theory(Timeout = 180_000)]
    [InlineData("secret")]
    [InlineData("policy")]
    public async Task A_host_that_lacks_what_a_run_was_given_has_the_supervisor_tear_down_with_it(string lacks)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = $"echo \"$OZF_RUN_REASON $OZF_EXIT_CODE $GIVEN\" >>{rig.Temp["did"]}; echo \"said $GIVEN\"" };
        rig.UseScript($"touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; exit 6");
        var first = await rig.StartAndDetachAsync(Given(rig));

        Lack(rig, lacks);
        var (second, outcome) = await AdoptAndGoOnAsync(rig, first);

        Assert.Equal((RunReason.AgentInvocation, 6, new TeardownResult(true, 0)), (outcome.Reason, outcome.Attempt.ExitCode, outcome.Attempt.Teardown));
        Assert.Equal("agent_invocation 6 given-to-the-run\n", File.ReadAllText(rig.Temp["did"]));
        Assert.Contains("teardown: said ***\n", rig.LogOf(second), StringComparison.Ordinal);
        Assert.Contains(outcome.Attempt.Warnings!, warning => warning.Contains("ran teardown with what it was given when the attempt began, and told it agent_invocation", StringComparison.Ordinal));
        Assert.False(Directory.Exists(rig.WorkspaceOf(second)));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_teardown_that_the_supervisor_runs_for_such_a_host_runs_once_whenever_that_is_cut_off(bool afterTheMark)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = $"echo begun >>{rig.Temp["did"]}; touch {rig.Temp["torn"]}; while [ ! -e {rig.Temp["on"]} ]; do sleep 0.02; done; echo ended >>{rig.Temp["did"]}" };
        rig.UseScript($"touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done");
        var first = await rig.StartAndDetachAsync(Given(rig));
        Lack(rig, "secret");
        var second = rig.Adopt(first, rig.CreateBackend());
        rig.Temp.Write("go", "");
        if (afterTheMark)
        {
            using var journal = Direct.Attempts.AttemptJournal.Open(Path.Combine(rig.PrivateOf(first), "journal.ndjson"), TimeProvider.System);
            journal.Append(Direct.Attempts.JournalStep.TeardownMarked, durable: true);
        }
        else
        {
            using var detach = CancellationTokenSource.CreateLinkedTokenSource(BackendRig.Cancellation);
            var cutOff = rig.CreateBackend().RunAsync(second, detach.Token);
            await rig.WaitForFileAsync(rig.Temp["torn"]);
            await detach.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cutOff);
        }

        var backend = rig.CreateBackend();
        rig.Temp.Write("on", "");
        var outcome = await backend.RunAsync(rig.Adopt(second, backend), BackendRig.Cancellation);

        Assert.Equal((RunReason.Completed, new TeardownResult(true, 0)), (outcome.Reason, outcome.Attempt.Teardown));
        Assert.Equal("begun\nended\n", File.ReadAllText(rig.Temp["did"]));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_setup_that_still_runs_when_such_a_host_comes_is_stopped_and_torn_down_after()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = $"touch {rig.Temp["started"]}; exec sleep 600", TeardownCommand = $"echo \"$OZF_RUN_REASON $GIVEN\" >>{rig.Temp["did"]}" };
        var first = await rig.StartAndDetachAsync(Given(rig));

        Lack(rig, "secret");
        var backend = rig.CreateBackend();
        var outcome = await backend.RunAsync(rig.Adopt(first, backend), BackendRig.Cancellation);

        Assert.Equal((RunReason.PolicyRefused, new TeardownResult(true, 0)), (outcome.Reason, outcome.Attempt.Teardown));
        Assert.Equal("host_lost given-to-the-run\n", File.ReadAllText(rig.Temp["did"]));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(Status.Its)]
    [InlineData(Status.Gone)]
    [InlineData(Status.Nonsense)]
    public async Task A_cancel_reaches_a_run_whose_shim_does_not_answer(Status status)
    {
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}; (setsid sleep 600 >/dev/null 2>&1 &); sleep 600");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });

        // Told to go on, it is stopped again at once, and its queue of hosts that want to talk is full.
        var freezing = FreezeAgainAndAgainAsync(first);
        using var knocking = new Knocking(rig.PrivateOf(first));
        Leave(status, rig.PrivateOf(first));

        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        second.Order(StopOrder.Cancel);
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal((RunReason.TaskCancelled, 0), (outcome.Reason, second.Starts));
        await freezing;
        Assert.Contains("did not answer", outcome.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(rig.WorkspaceOf(first)));
        Assert.Empty(Testing.ProcessTable.WithTag(first.Directory.Name));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(Status.Gone)]
    [InlineData(Status.Nonsense)]
    public async Task A_frozen_shim_whose_status_is_gone_is_told_to_go_on_by_the_next_host(Status status)
    {
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; echo after; exit 6");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        BackendRig.FreezeShimOf(first);
        Leave(status, rig.PrivateOf(first));
        rig.Temp.Write("go", "");

        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal((RunReason.AgentInvocation, 6, 0), (outcome.Reason, outcome.Attempt.ExitCode, second.Starts));
        Assert.Contains("out: after\n", rig.LogOf(second), StringComparison.Ordinal);
    }

    [Theory(Timeout = 180_000)]
    [InlineData(Status.Its)]
    [InlineData(Status.Gone)]
    public async Task A_shim_that_stays_frozen_gains_its_run_no_time_with_the_next_host(Status status)
    {
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}; (setsid sleep 600 >/dev/null 2>&1 &); sleep 600");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x", Timeout = TimeSpan.FromSeconds(15) });
        var freezing = FreezeAgainAndAgainAsync(first);
        Leave(status, rig.PrivateOf(first));

        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        await freezing;
        Assert.True(outcome.Reason == RunReason.TaskTimeout, $"{outcome.Reason}: {outcome.Message}");
        Assert.False(Directory.Exists(rig.WorkspaceOf(first)));
        Assert.Empty(Testing.ProcessTable.WithTag(first.Directory.Name));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_frozen_shim_of_a_directory_that_is_nobodys_ends_though_its_status_is_gone()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}; sleep 600");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        BackendRig.FreezeShimOf(first);
        Leave(Status.Gone, rig.PrivateOf(first));

        var second = rig.Adopt(first, rig.CreateBackend());
        await second.Directory.DiscardAsync(BackendRig.Cancellation);

        Assert.False(Directory.Exists(rig.WorkspaceOf(first)));
        Assert.False(Directory.Exists(rig.PrivateOf(first)));
        Assert.Empty(Testing.ProcessTable.WithTag(first.Directory.Name));
    }

    /// <summary>What stands in a shim's status when the next host comes.</summary>
    public enum Status
    {
        Its,
        Gone,
        Nonsense,
    }

    /// <summary>A run that is given a secret of the host that begins it.</summary>
    private static RunRequest Given(BackendRig rig)
    {
        rig.Options = rig.Options with { Secrets = new Dictionary<string, string> { ["DEPLOY"] = "given-to-the-run" } };
        return new RunRequest { Prompt = "x", Env = new Dictionary<string, RunVariable> { ["GIVEN"] = RunVariable.FromSecret("DEPLOY") } };
    }

    /// <summary>The next host would not begin it.</summary>
    private static void Lack(BackendRig rig, string what) => rig.Options = what == "secret"
        ? rig.Options with { Secrets = new Dictionary<string, string>() }
        : rig.Options with { Policy = new() { Env = ["OTHER_*"] } };

    private static void Leave(Status status, string privateDirectory)
    {
        var file = Path.Combine(privateDirectory, Shim.Protocol.ShimProtocol.StatusFile);
        if (status == Status.Gone)
        {
            File.Delete(file);
        }
        else if (status == Status.Nonsense)
        {
            File.WriteAllText(file, "nonsense");
        }
    }

    /// <summary>Until it is dead.</summary>
    /// <summary>Another host takes the attempt over, and then its agent, which waits for the file <c>go</c>, goes on.</summary>
    private static async Task<(FakeOwnedAttempt Attempt, AttemptOutcome Outcome)> AdoptAndGoOnAsync(BackendRig rig, FakeOwnedAttempt first)
    {
        var backend = rig.CreateBackend();
        var second = rig.Adopt(first, backend);
        var running = backend.RunAsync(second, BackendRig.Cancellation);
        rig.Temp.Write("go", "");
        return (second, await running);
    }

    private static Task FreezeAgainAndAgainAsync(FakeOwnedAttempt attempt)
    {
        var shim = BackendRig.ShimOf(attempt).Id;
        BackendRig.Freeze(shim);
        return Task.Run(() =>
        {
            while (Testing.ProcessTable.IsAlive(shim))
            {
                BackendRig.Freeze(shim);
            }
        }, BackendRig.Cancellation);
    }

    /// <summary>More connections than a shim that accepts none can queue.</summary>
    private sealed class Knocking : IDisposable
    {
        private readonly List<System.Net.Sockets.Socket> _sockets = [];

        public Knocking(string privateDirectory)
        {
            // The path of a socket is short; that of a test's directory need not be.
            var directory = Directory.CreateSymbolicLink(Path.Combine(Path.GetTempPath(), "ozf-knock-" + Guid.NewGuid().ToString("N")[..8]), privateDirectory);
            try
            {
                while (true)
                {
                    var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified) { Blocking = false };
                    _sockets.Add(socket);
                    socket.Connect(new System.Net.Sockets.UnixDomainSocketEndPoint(Path.Combine(directory.FullName, Shim.Protocol.ShimProtocol.SocketFile)));
                }
            }
            catch (System.Net.Sockets.SocketException)
            {
                // Full.
            }
            finally
            {
                directory.Delete();
            }
        }

        public void Dispose() => _sockets.ForEach(socket => socket.Dispose());
    }

    [Fact(Timeout = 180_000)]
    public async Task A_discarded_directory_whose_journal_cannot_be_opened_leaves_no_process()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root, to mount something in place of the journal");
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}; exec sleep 600");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        var journal = Path.Combine(rig.PrivateOf(first), "journal.ndjson");
        File.Delete(journal);
        Directory.CreateDirectory(journal);
        Assert.SkipUnless(await TestProcess.RunAsync("mount", ["-t", "tmpfs", "tmpfs", journal], BackendRig.Cancellation) == 0, "nothing can be mounted here");
        try
        {
            await rig.Adopt(first, rig.CreateBackend()).Directory.DiscardAsync(BackendRig.Cancellation);
        }
        finally
        {
            await TestProcess.RunAsync("umount", [journal], CancellationToken.None);
        }

        Assert.Empty(Testing.ProcessTable.WithTag(first.Directory.Name));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_discarded_directory_that_made_no_workspace_leaves_the_one_that_is_there()
    {
        await using var rig = new BackendRig();
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        rig.Temp.Write($"root/{attempt.Record.RunId}-1/precious", "x");

        await attempt.Directory.DiscardAsync(BackendRig.Cancellation);

        Assert.True(File.Exists(rig.WorkspaceOf(attempt) + "/precious"));
        Assert.False(Directory.Exists(rig.PrivateOf(attempt)));
    }

    [Theory(Timeout = 180_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_workspace_whose_making_was_cut_short_goes_with_the_attempt_if_it_is_empty(bool filled)
    {
        await using var rig = new BackendRig();
        var backend = rig.CreateBackend();
        var first = rig.Claim(new RunRequest { Prompt = "x" });
        using (var journal = Direct.Attempts.AttemptJournal.Open(Path.Combine(rig.PrivateOf(first), "journal.ndjson"), TimeProvider.System))
        {
            journal.Append(new Direct.Attempts.JournalEntry { At = TimeProvider.System.GetUtcNow(), Step = Direct.Attempts.JournalStep.WorkspaceMine, Path = rig.WorkspaceOf(first) }, durable: true);
        }

        Directory.CreateDirectory(rig.WorkspaceOf(first) + (filled ? "/of-somebody" : ""));
        var second = rig.Adopt(first, backend);
        second.Order(StopOrder.Cancel);

        var outcome = await backend.RunAsync(second, BackendRig.Cancellation);

        Assert.Equal((RunReason.TaskCancelled, filled), (outcome.Reason, Directory.Exists(rig.WorkspaceOf(first))));
    }

    [Fact(Timeout = 180_000)]
    public async Task Only_free_directories_of_the_same_store_are_taken()
    {
        await using var rig = new BackendRig();
        var backend = rig.CreateBackend();
        var held = rig.Claim(new RunRequest { Prompt = "x" });
        var free = backend.CreateDirectory(new AttemptIntent { Store = BackendRig.Store, RunId = held.Record.RunId, Attempt = 2 });
        var foreign = backend.CreateDirectory(new AttemptIntent { Store = "other", RunId = held.Record.RunId, Attempt = 3 });
        free.Dispose();
        foreign.Dispose();
        rig.Temp.Write("root/.ozf/0123456789abcdef/lock", "");
        rig.Temp.Write("root/.ozf/bin/0/ozf-shim", "");

        var taken = backend.TakeAbandonedDirectories(BackendRig.Store);

        var directory = Assert.Single(taken);
        Assert.Equal((free.Name, 2), (directory.Name, directory.Intent!.Attempt));
        Assert.False(Directory.Exists(rig.Temp["root/.ozf/0123456789abcdef"]));
        Assert.True(File.Exists(rig.Temp["root/.ozf/bin/0/ozf-shim"]));
        Assert.True(Directory.Exists(rig.Temp[$"root/.ozf/{foreign.Name}"]));
        Assert.Empty(backend.TakeAbandonedDirectories(BackendRig.Store));
        directory.Dispose();
    }

    [Fact(Timeout = 180_000)]
    public async Task A_directory_that_is_not_wanted_is_not_touched_and_its_intent_says_whose_it_is()
    {
        await using var rig = new BackendRig();
        var backend = rig.CreateBackend();
        var intent = new AttemptIntent { Store = BackendRig.Store, RunId = RunId.Create(TimeProvider.System), Attempt = 1, WorkerId = "deploy" };
        var made = backend.CreateDirectory(intent);
        made.Dispose();
        var directory = Path.Combine(rig.Root, ".ozf", made.Name);
        File.Delete(Path.Combine(directory, "lock"));
        var asked = new List<(string, AttemptIntent)>();

        var taken = backend.TakeAbandonedDirectories(BackendRig.Store, (name, its) =>
        {
            asked.Add((name, its));
            return false;
        });

        Assert.Empty(taken);
        Assert.Equal([(made.Name, intent)], asked);
        Assert.False(File.Exists(Path.Combine(directory, "lock")));
        Assert.Equal($$"""{"store":"test-store","run_id":"{{intent.RunId}}","attempt":1,"worker_id":"deploy"}""", await File.ReadAllTextAsync(Path.Combine(directory, "intent.json"), BackendRig.Cancellation));
        Assert.Single(backend.TakeAbandonedDirectories(BackendRig.Store)).Dispose();
    }

    [Theory(Timeout = 180_000)]
    [InlineData("half")]
    [InlineData("directory")]
    [InlineData("fifo")]
    public async Task An_attempt_whose_intent_cannot_be_read_is_left_as_it_is_and_taken_when_it_can(string instead)
    {
        await using var rig = new BackendRig();
        var backend = rig.CreateBackend();
        var first = rig.Claim(BackendRig.Fake("exit 0"));
        first.Directory.Dispose();
        var intent = Path.Combine(rig.PrivateOf(first), "intent.json");
        var content = await File.ReadAllBytesAsync(intent, BackendRig.Cancellation);
        File.Delete(intent);
        if (instead == "directory")
        {
            Directory.CreateDirectory(intent);
        }
        else if (instead == "fifo")
        {
            await TestProcess.RunAsync("/usr/bin/mkfifo", [intent], BackendRig.Cancellation);
        }
        else
        {
            await File.WriteAllTextAsync(intent, "{\"run_id\":", BackendRig.Cancellation);
        }

        Assert.Empty(backend.TakeAbandonedDirectories(BackendRig.Store));

        Assert.True(Path.Exists(intent));
        await TestProcess.RunAsync("/bin/rm", ["-r", intent], BackendRig.Cancellation);
        await File.WriteAllBytesAsync(intent, content, BackendRig.Cancellation);
        var outcome = await backend.RunAsync(rig.Adopt(first, backend), BackendRig.Cancellation);

        Assert.Equal(RunReason.Completed, outcome.Reason);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("secrets.json", "rm -f F; mkfifo F")]
    [InlineData("secrets.json", "rm -f F; ln -s /dev/zero F")]
    [InlineData("secrets.json", "rm -f F; mkdir -p F/x")]
    [InlineData("secrets.json", "echo '{' > F")]
    [InlineData("secrets.json", "rm -f F")]
    [InlineData("log.journal", "rm -f F; mkfifo F; rm -f F.new; mkfifo F.new")]
    [InlineData("log.journal", "rm -f F; ln -s /dev/zero F")]
    [InlineData("spool", "for f in F/*.spool; do rm -f \"$f\"; mkfifo \"$f\"; done; mkfifo F/0000000005.spool")]
    [InlineData("hostlog", "for f in F/*.spool; do rm -f \"$f\"; mkfifo \"$f\"; done; mkfifo F/0000000005.spool")]
    [InlineData("hostlog", "for f in F/*.spool; do ln -sf /dev/zero \"$f\"; done; mkfifo F/0000000005.spool")]
    [InlineData("journal.ndjson", "rm -f F; mkfifo F")]
    [InlineData("journal.ndjson", "rm -f F; ln -s /dev/zero F")]
    [InlineData("journal.ndjson", "rm -f F; mkdir -p F/x")]
    public async Task A_host_adopts_an_agent_that_put_something_else_in_place_of_the_hosts_own_files(string file, string script)
    {
        await using var rig = new BackendRig();
        rig.UseScript($"{script.Replace("F", $"\"$TMPDIR/../{file}\"", StringComparison.Ordinal)}; touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; echo \"given $OF_SETUP_TOKEN\"; echo text > \"$OZ_ARTIFACTS_DIR/a\"; printf '\\0' > \"$OZ_ARTIFACTS_DIR/b\"; exit 0");
        rig.Options = rig.Options with { SetupCommand = "echo OF_SETUP_TOKEN=made-by-setup-0123 >> \"$OZ_ENVIRONMENT_FILE\"" };
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });

        // What setup wrote is known to nobody any more.
        await File.WriteAllTextAsync(Path.Combine(rig.PrivateOf(first), "environment"), "", BackendRig.Cancellation);
        var (second, outcome) = await AdoptAndGoOnAsync(rig, first);

        Assert.Equal((RunReason.Completed, 0), (outcome.Reason, outcome.Attempt.ExitCode));
        var log = rig.LogOf(second);
        Assert.DoesNotContain("made-by-setup", log, StringComparison.Ordinal);
        if (file == "secrets.json")
        {
            Assert.Contains("out: ***\n", log, StringComparison.Ordinal);
            Assert.Contains(outcome.Attempt.Warnings!, warning => warning.Contains("is not shown from here on", StringComparison.Ordinal));
            Assert.Equal([("a", "what is to be masked in it is not known any more"), ("b", null)], rig.ManifestOf(second).Select(entry => (entry.Path, entry.LeftOut)).Order());
        }
        else if (file != "spool")
        {
            Assert.Contains("out: given ***\n", log, StringComparison.Ordinal);
        }
    }

    [Theory(Timeout = 180_000)]
    [InlineData("rm -f J; : >S")]
    [InlineData("rm -f J S")]
    [InlineData("""rm -f J S; echo '{"early":[],"late":[]}' >S""")]
    public async Task An_agent_that_replaces_journal_and_secrets_gains_no_sight_of_what_setup_wrote(string script)
    {
        await using var rig = new BackendRig();
        script = script.Replace("J", "\"$TMPDIR/../journal.ndjson\"", StringComparison.Ordinal).Replace("S", "\"$TMPDIR/../secrets.json\"", StringComparison.Ordinal);
        rig.UseScript($"{script}; touch {rig.Temp["started"]}; while [ ! -e {rig.Temp["go"]} ]; do sleep 0.02; done; echo \"given $OF_SETUP_TOKEN\"; exit 0");
        rig.Options = rig.Options with { SetupCommand = "echo OF_SETUP_TOKEN=made-by-setup-0123 >> \"$OZ_ENVIRONMENT_FILE\"" };
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        var (second, outcome) = await AdoptAndGoOnAsync(rig, first);

        Assert.Equal((RunReason.Completed, 0), (outcome.Reason, outcome.Attempt.ExitCode));
        Assert.Contains(outcome.Attempt.Warnings!, warning => warning.Contains("is not shown from here on", StringComparison.Ordinal));
        var log = rig.LogOf(second);
        Assert.DoesNotContain("made-by-setup", log, StringComparison.Ordinal);
        Assert.Contains("out: ***\n", log, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_run_whose_shim_left_nothing_that_can_be_read_ends_all_the_same()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}; exec sleep 600");
        var first = await rig.StartAndDetachAsync(new RunRequest { Prompt = "x" });
        foreach (var process in Testing.ProcessTable.WithTag(first.Directory.Name).OrderByDescending(process => process.CommandLine.Contains("ozf-shim", StringComparison.Ordinal)))
        {
            Testing.Signals.Send(process.Id, 9);
            Assert.True(SpinWait.SpinUntil(() => !Testing.ProcessTable.IsAlive(process.Id), TimeSpan.FromMinutes(1)));
        }

        await File.WriteAllTextAsync(Path.Combine(rig.PrivateOf(first), Shim.Protocol.ShimProtocol.StatusFile), "{", BackendRig.Cancellation);

        var backend = rig.CreateBackend();
        var outcome = await backend.RunAsync(rig.Adopt(first, backend), BackendRig.Cancellation);

        Assert.Equal(RunReason.HostLost, outcome.Reason);
        Assert.Contains(outcome.Attempt.Warnings!, warning => warning.Contains("status", StringComparison.Ordinal));
        Assert.False(Directory.Exists(rig.WorkspaceOf(first)));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_sweep_beside_a_shim_that_lives_says_that_nothing_is_proved()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}; exec sleep 600");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["started"]);

        var refused = await Assert.ThrowsAsync<Shims.ShimException>(
            () => new Shims.Shims(BackendRig.Binary, TimeProvider.System).SweepAsync(rig.PrivateOf(attempt), BackendRig.Cancellation));

        Assert.Contains("does not end", refused.Message, StringComparison.Ordinal);
        attempt.Order(StopOrder.Cancel);
        Assert.Equal(RunReason.TaskCancelled, (await running).Reason);
    }
}
