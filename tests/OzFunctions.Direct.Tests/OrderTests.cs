using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Direct.Tests;

/// <summary>Cancel, shutdown, a lost lease and a lost owner, in each phase.</summary>
public sealed class OrderTests
{
    [Theory(Timeout = 180_000)]
    [InlineData(StopOrder.Cancel, RunReason.TaskCancelled, StoppedBy.Cancel)]
    [InlineData(StopOrder.Shutdown, RunReason.GracefulShutdown, StoppedBy.Shutdown)]
    [InlineData(StopOrder.Lease, RunReason.HostLost, StoppedBy.Lease)]
    public async Task An_order_stops_the_agent_and_teardown_still_runs(StopOrder order, RunReason reason, StoppedBy stoppedBy)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = $"echo $OZF_RUN_REASON >{rig.Temp["teardown"]}" };
        var attempt = rig.Claim(BackendRig.Fake($"artifact kept x; write {rig.Temp["started"]} x; hang"));
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["started"]);

        attempt.Order(order);
        var outcome = await running;

        Assert.Equal((reason, stoppedBy), (outcome.Reason, outcome.Attempt.StoppedBy));
        Assert.Equal(reason.Text() + "\n", File.ReadAllText(rig.Temp["teardown"]));
        Assert.Equal(1, outcome.Attempt.Artifacts!.Count);
        Assert.False(Directory.Exists(rig.WorkspaceOf(attempt)));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_cancel_reaches_a_run_that_stops_its_own_supervisor()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"(setsid timeout 170 sh -c \"while kill -STOP $PPID; do :; done\" >/dev/null 2>&1 &); touch {rig.Temp["started"]}; sleep 600");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["started"]);

        attempt.Order(StopOrder.Cancel);
        var outcome = await running;

        Assert.Equal(RunReason.TaskCancelled, outcome.Reason);
        Assert.False(Directory.Exists(rig.WorkspaceOf(attempt)));
        Assert.Empty(Testing.ProcessTable.WithTag(attempt.Directory.Name));
    }

    /// <summary>Each stops it itself before anything else: what it leaves to others may come after its time is over.</summary>
    [Theory(Timeout = 240_000)]
    [InlineData("kill -STOP $PPID; sleep 600")]
    [InlineData("rm -f \"$TMPDIR/../status.json\"; kill -STOP $PPID; (setsid timeout 170 sh -c \"while kill -STOP $PPID; do :; done\" >/dev/null 2>&1 &); sleep 600")]
    [InlineData("echo nonsense > \"$TMPDIR/../status.json\"; kill -STOP $PPID; (setsid timeout 170 sh -c \"while kill -STOP $PPID; do :; done\" >/dev/null 2>&1 &); sleep 600")]
    [InlineData("kill -STOP $PPID; (setsid timeout 170 sh -c \"while kill -STOP $PPID; do :; done\" >/dev/null 2>&1 &); sleep 600")]
    public async Task A_run_that_stops_its_own_supervisor_gains_no_time(string script)
    {
        await using var rig = new BackendRig();
        rig.UseScript(script);
        var attempt = rig.Claim(new RunRequest { Prompt = "x", Timeout = TimeSpan.FromSeconds(6) });

        var outcome = await rig.RunAsync(attempt);

        Assert.True(outcome.Reason == RunReason.TaskTimeout, $"{outcome.Reason}: {outcome.Message}");
        Assert.Contains(outcome.Attempt.Warnings!, warning => warning.Contains("did not answer", StringComparison.Ordinal));
        Assert.Empty(Testing.ProcessTable.WithTag(attempt.Directory.Name));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_supervisor_stopped_before_it_says_that_the_agent_runs_gains_no_time()
    {
        await using var rig = new BackendRig();
        var attempt = rig.Claim(new RunRequest { Prompt = "x", Timeout = TimeSpan.FromSeconds(2) });
        var stopping = Task.CompletedTask;
        attempt.OnPassed = step =>
        {
            if (step == ProtocolStep.C8)
            {
                var shim = BackendRig.ShimOf(attempt).Id;
                BackendRig.Freeze(shim);
                stopping = TestProcess.RunAsync("timeout", ["170", "sh", "-c", $"while kill -STOP {shim}; do :; done"], BackendRig.Cancellation);
            }
        };

        var outcome = await rig.RunAsync(attempt);
        await stopping;

        Assert.True(outcome.Reason == RunReason.TaskTimeout, $"{outcome.Reason}: {outcome.Message}");
        Assert.Empty(Testing.ProcessTable.WithTag(attempt.Directory.Name));
    }

    [Theory(Timeout = 180_000)]
    [InlineData("")]
    [InlineData("mkfifo \"$TMPDIR/../status.json\"")]
    public async Task A_run_that_removes_the_status_of_its_supervisor_and_shoots_it_leaves_no_process(string instead)
    {
        await using var rig = new BackendRig();
        rig.UseScript($"(setsid sleep 600 >/dev/null 2>&1 &); rm -f \"$TMPDIR/../status.json\"\n{instead}\nkill -9 $PPID; sleep 600");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(RunReason.HostLost, outcome.Reason);
        Assert.Empty(Testing.ProcessTable.WithTag(attempt.Directory.Name));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_cancel_during_setup_stops_setup_and_starts_no_agent()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { SetupCommand = $"touch {rig.Temp["started"]}; sleep 600" };
        var attempt = rig.Claim(BackendRig.Fake("noop"));
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["started"]);

        attempt.Order(StopOrder.Cancel);
        var outcome = await running;

        Assert.Equal((RunReason.TaskCancelled, 0), (outcome.Reason, attempt.Starts));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_cancel_in_the_record_starts_no_agent()
    {
        await using var rig = new BackendRig();
        rig.UseScript($"touch {rig.Temp["started"]}");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        attempt.Permission = StartPermission.Cancelled;

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.TaskCancelled, true), (outcome.Reason, outcome.NotExecuted));
        Assert.False(File.Exists(rig.Temp["started"]));
        Assert.DoesNotContain(ProtocolStep.C10, attempt.Steps);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_agent_that_ended_before_the_signal_keeps_its_own_outcome()
    {
        await using var rig = new BackendRig();
        var attempt = rig.Claim(BackendRig.Fake("exit 0"));
        attempt.OnPassed = step =>
        {
            if (step == ProtocolStep.S1)
            {
                attempt.Order(StopOrder.Cancel);
            }
        };

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.Completed, null), (outcome.Reason, outcome.NotExecuted));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_fenced_attempt_writes_nothing_and_removes_what_it_made()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = $"touch {rig.Temp["teardown"]}" };
        var attempt = rig.Claim(BackendRig.Fake($"artifact kept x; write {rig.Temp["started"]} x; hang"));
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["started"]);

        attempt.Order(StopOrder.Fenced);
        await running;

        Assert.True(File.Exists(rig.Temp["teardown"]));
        Assert.False(Directory.Exists(rig.WorkspaceOf(attempt)));
        Assert.DoesNotContain(rig.Blobs.Names, name => name.Contains("/artifacts", StringComparison.Ordinal));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_shim_that_is_not_renewed_stops_the_agent_and_tears_down_alone()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = $"echo $OZF_RUN_REASON >>{rig.Temp["teardown"]}" };
        var attempt = rig.Claim(BackendRig.Fake("hang"));
        attempt.OnPassed = step =>
        {
            if (step == ProtocolStep.C10)
            {
                attempt.LeaseLeft = TimeSpan.Zero;
            }
        };

        var running = rig.RunAsync(attempt);
        await attempt.WaitForAsync(ProtocolStep.C10, BackendRig.Cancellation);
        await rig.EndLeaseAsync(attempt);
        var outcome = await running;

        Assert.Equal((RunReason.HostLost, StoppedBy.Lease), (outcome.Reason, outcome.Attempt.StoppedBy));
        Assert.Equal(new TeardownResult(true, 0), outcome.Attempt.Teardown);
        Assert.Equal("host_lost\n", File.ReadAllText(rig.Temp["teardown"]));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_short_lease_is_renewed_for_as_long_as_the_host_has_it()
    {
        await using var rig = new BackendRig();
        var attempt = rig.Claim(BackendRig.Fake("silent 18; exit 0"));
        attempt.LeaseLeft = TimeSpan.FromSeconds(15);

        Assert.Equal(RunReason.Completed, (await rig.RunAsync(attempt)).Reason);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_outage_of_the_store_stops_nothing_and_loses_nothing()
    {
        await using var rig = new BackendRig();
        var attempt = rig.Claim(BackendRig.Fake($"say in-the-dark; artifact kept x; write {rig.Temp["written"]} x; exit 0"));
        attempt.OnPassed = step =>
        {
            if (step == ProtocolStep.S1)
            {
                // The agent is over and nothing could be stored so far.
                rig.Blobs.IsDown = false;
            }
        };
        rig.Blobs.IsDown = true;

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.Completed, 1, true), (outcome.Reason, outcome.Attempt.Artifacts!.Count, outcome.Attempt.Log!.Sealed));
        Assert.Contains("in-the-dark", rig.LogOf(attempt), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_key_that_is_regenerated_while_artifacts_are_kept_leaves_none_out_and_the_host_says_what_is_wrong()
    {
        await using var rig = new BackendRig();
        var lines = new LogLines();
        var backend = DirectBackend.Create(rig.Options, BackendRig.Binary, rig.Blobs, TimeProvider.System, lines);
        var attempt = rig.Claim(BackendRig.Fake("artifact a x; artifact b x; artifact c x; exit 0"), backend);
        var uploads = 0;
        rig.Blobs.Refuses = _ =>
        {
            if (++uploads == 4)
            {
                // The new key is in its place.
                rig.Blobs.Fault = null;
            }

            return null;
        };
        attempt.OnPassed = step =>
        {
            if (step == ProtocolStep.S2)
            {
                rig.Blobs.Fault = new BlobStoreException("The storage account refused the call (403 AuthenticationFailed): check the key.", isTransient: false, null) { RefusesAll = true };
            }
        };

        var outcome = await backend.RunAsync(attempt, BackendRig.Cancellation);

        Assert.Equal((RunReason.Completed, RunState.Succeeded, true), (outcome.Reason, outcome.Attempt.State, outcome.Attempt.Log!.Sealed));
        Assert.Equal((3, 0), (outcome.Attempt.Artifacts!.Count, outcome.Attempt.Artifacts.LeftOut));
        Assert.Equal(["a", "b", "c"], rig.ManifestOf(attempt).Select(entry => entry.Path));
        Assert.DoesNotContain(outcome.Attempt.Warnings ?? [], warning => warning.Contains("artifacts", StringComparison.Ordinal));
        Assert.Single(lines.Written, line => line == $"Warning: The artifacts of run {attempt.Record.RunId} cannot be stored now; they are kept and tried again");
    }

    [Theory(Timeout = 180_000)]
    [InlineData("exit 0", RunReason.Completed)]
    [InlineData("exit 3", RunReason.AgentInvocation)]
    public async Task A_log_that_the_store_refuses_for_good_keeps_no_run_from_ending_as_it_ended(string agent, RunReason reason)
    {
        await using var rig = new BackendRig();
        var clock = new LeapingClock();
        var attempt = rig.Claim(BackendRig.Fake("say hello; " + agent));
        var isLast = false;
        attempt.OnPassed = step => isLast |= step == ProtocolStep.S5;
        rig.Blobs.RefusesAppend = name =>
        {
            if (isLast)
            {
                clock.Leap(TimeSpan.FromMinutes(11));
            }

            return name.EndsWith("/log.ndjson", StringComparison.Ordinal) ? new BlobStoreException("412 LeaseIdMissing", isTransient: false, null) : null;
        };

        var outcome = await DirectBackend.Create(rig.Options, BackendRig.Binary, rig.Blobs, clock, NullLoggerFactory.Instance).RunAsync(attempt, BackendRig.Cancellation);

        Assert.Equal(reason, outcome.Reason);
        Assert.Null(outcome.Attempt.Log);
        Assert.Contains("The log could not be stored to its end: 412 LeaseIdMissing", outcome.Attempt.Warnings!);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_outage_that_outlasts_the_lease_stops_the_agent_and_its_log_catches_up_in_order()
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { StopGrace = TimeSpan.FromMinutes(1) };
        rig.UseScript($"trap 'echo after; exit 0' INT; trap '' TERM; for i in 1 2 3; do echo before $i; done; touch {rig.Temp["started"]}; while :; do sleep 0.1; done");
        var attempt = rig.Claim(new RunRequest { Prompt = "x" });
        attempt.OnPassed = step =>
        {
            if (step == ProtocolStep.C10)
            {
                rig.Blobs.IsDown = true;
            }
            else if (step == ProtocolStep.S1)
            {
                rig.Blobs.IsDown = false;
            }
        };
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["started"]);

        attempt.Order(StopOrder.Lease);
        var outcome = await running;

        Assert.Equal((RunReason.HostLost, StoppedBy.Lease, true), (outcome.Reason, outcome.Attempt.StoppedBy, outcome.Attempt.Log!.Sealed));
        var printed = rig.LogOf(attempt).Split('\n').Where(line => line.StartsWith("out: ", StringComparison.Ordinal)).Select(line => line[5..]);
        Assert.Equal(["before 1", "before 2", "before 3", "after"], printed);
    }

    [Theory(Timeout = 180_000)]
    [InlineData("env")]
    [InlineData("mcp")]
    public async Task A_run_that_asks_for_a_secret_the_host_lacks_is_refused_before_anything_is_made(string place)
    {
        await using var rig = new BackendRig();
        rig.Options = rig.Options with { TeardownCommand = $"touch {rig.Temp["teardown"]}" };
        var request = BackendRig.Fake("noop");
        var attempt = rig.Claim(place == "env"
            ? request with { Env = new Dictionary<string, RunVariable> { ["TOKEN"] = RunVariable.FromSecret("NONE") } }
            : request with { Mcp = ["""{"s":{"env":{"TOKEN":"${secret:NONE}"}}}"""] });

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal((RunReason.PolicyRefused, 0), (outcome.Reason, attempt.Starts));
        Assert.False(Directory.Exists(rig.WorkspaceOf(attempt)));
        Assert.False(File.Exists(rig.Temp["teardown"]));
    }

    [Theory(Timeout = 180_000)]
    [InlineData("print 20000; exit 0")]
    [InlineData("no-newline; exit 0")]
    [InlineData("invalid-utf8; exit 0")]
    [InlineData("half-escape; exit 0")]
    [InlineData("long-line 3000000; exit 0")]
    public async Task Strange_output_does_not_change_the_outcome(string verbs)
    {
        await using var rig = new BackendRig();

        var outcome = await rig.RunAsync(BackendRig.Fake(verbs));

        Assert.Equal((RunReason.Completed, true), (outcome.Reason, outcome.Attempt.Log!.Sealed));
        Assert.NotNull(outcome.Attempt.OzRunId);
    }

    [Fact(Timeout = 180_000)]
    public async Task Daemons_of_the_agent_are_ended_with_it()
    {
        await using var rig = new BackendRig();

        var outcome = await rig.RunAsync(BackendRig.Fake("spawn-daemon double-fork; spawn-daemon env-i; spawn-daemon hold-output; exit 0"));

        Assert.Equal(RunReason.Completed, outcome.Reason);
    }

    /// <summary>The system's clock, which a test sets ahead. Timers do not notice.</summary>
    private sealed class LeapingClock : TimeProvider
    {
        private long _ahead;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _ahead) + System.GetElapsedTime(0, System.GetTimestamp()).Ticks;

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddTicks(Interlocked.Read(ref _ahead));

        public void Leap(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks);
    }
}
