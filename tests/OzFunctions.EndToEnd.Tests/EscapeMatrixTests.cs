using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>
/// Guarantee 6 with real hosts: every way to escape, under every way to end. All that a run started is gone when its record says that it is over, and what
/// runs beside it is not touched.
/// </summary>
public sealed class EscapeMatrixTests
{
    private const string Agent = """
        SHAPES=${MARKS%/marks}/shapes/$ENDING
        echo x >>"$MARKS/$OZF_RUN_ID.$OZF_ATTEMPT"
        """ + "\n" + Escapes.Start + "\n" + """
        case $ENDING in
            success) exit 0 ;;
            failure) exit 3 ;;
            adopted|beside) while [ ! -e "$MARKS/go" ]; do sleep 0.05; done; exit 0 ;;
            *) exec sleep 1000 ;;
        esac
        """;

    private const string Teardown = "teardown_command: 'base=${OZ_WORKSPACE_ROOT##*/}; echo \"$OZF_RUN_REASON\" >>\"$MARKS/teardown-${base%-*}.${base##*-}\"'";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 600_000)]
    [InlineData(RunsAs.Tests)]
    [InlineData(RunsAs.Ordinary)]
    [InlineData(RunsAs.OtherAccount)]
    public async Task Whatever_way_a_run_ends_nothing_of_it_lives_on(RunsAs who)
    {
        await using var machine = Machine(who);
        var host = machine.StartWorker();
        var beside = await StartAsync(machine, "beside");
        await ReadyAsync(machine, "beside");
        var ends = new Dictionary<string, RunId>();
        foreach (var (ending, flags) in new (string, string[])[] { ("success", []), ("failure", []), ("cancel", []), ("timeout", ["--timeout", "8s"]), ("silence", ["--silence-timeout", "4s"]) })
        {
            ends[ending] = await StartAsync(machine, ending, flags);
        }

        await ReadyAsync(machine, "cancel");
        await machine.OzfAsync(Cancellation, "runs", "cancel", ends["cancel"].Value);

        await AssertEndAsync(machine, ends["success"], "success", RunReason.Completed);
        await AssertEndAsync(machine, ends["failure"], "failure", RunReason.AgentInvocation);
        await AssertEndAsync(machine, ends["cancel"], "cancel", RunReason.TaskCancelled);
        await AssertEndAsync(machine, ends["silence"], "silence", RunReason.SilenceTimeout);
        await AssertEndAsync(machine, ends["timeout"], "timeout", RunReason.TaskTimeout);
        AssertAllAlive(machine, "beside");

        // An event that a killed host was sending is another's after ten minutes only; the other runs' ends are to be over.
        await OneMachine.WaitAsync(() => machine.Files("active").Length == 1, Cancellation);
        await host.KillAsync();
        machine.StartWorker();
        await machine.UntilAsync(beside, record => record.Owner!.Fence > 1, Cancellation);
        AssertAllAlive(machine, "beside");
        await File.WriteAllTextAsync(Path.Join(machine.Marks, "go"), "", Cancellation);
        await AssertEndAsync(machine, beside, "beside", RunReason.Completed);

        await machine.AssertNothingLeftAsync(Cancellation);
        machine.Check([beside, .. ends.Values]).AssertAllHold();
    }

    [Theory(Timeout = 600_000)]
    [InlineData(RunsAs.Tests)]
    [InlineData(RunsAs.Ordinary)]
    [InlineData(RunsAs.OtherAccount)]
    public async Task Whoever_is_killed_nothing_of_a_run_lives_on(RunsAs who)
    {
        await using var machine = Machine(who);
        var host = machine.StartWorker("--drain-timeout", "1s");

        // The shim, while its host lives.
        var shot = await StartAsync(machine, "shot");
        await ReadyAsync(machine, "shot");
        KillShim(machine, shot);
        await AssertEndAsync(machine, shot, "shot", RunReason.HostLost);

        // The shim and the host: the next one finds what is left.
        var both = await StartAsync(machine, "both");
        await ReadyAsync(machine, "both");
        await host.KillAsync();
        KillShim(machine, both);
        Assert.NotEmpty(Alive(machine, "both"));
        host = machine.StartWorker("--drain-timeout", "1s");
        await AssertEndAsync(machine, both, "both", RunReason.HostLost);

        // The host is told to go, and the run may not finish.
        var drained = await StartAsync(machine, "drained");
        await ReadyAsync(machine, "drained");
        host.Signal(Signals.Terminate);
        await AssertEndAsync(machine, drained, "drained", RunReason.GracefulShutdown);
        Assert.Equal(0, await host.WaitForExitAsync(Cancellation));

        await machine.AssertNothingLeftAsync(Cancellation);
        machine.Check([shot, both, drained]).AssertAllHold();
    }

    private static OneMachine Machine(RunsAs who)
    {
        Assert.SkipWhen(who != RunsAs.Tests && !OneMachine.CanDropRights, "The tests do not run as root: the first case is the unprivileged one already.");
        var machine = new OneMachine(Agent, settings: "", direct: Teardown, who, slots: 8);
        if (who == RunsAs.OtherAccount)
        {
            machine.Open("shapes");
        }

        return machine;
    }

    private static Task<RunId> StartAsync(OneMachine machine, string ending, params string[] flags) =>
        machine.RunAsync(Cancellation, ["-p", ending, "--env", "ENDING=" + ending, "--no-changes", .. flags]);

    private static string ShapesOf(OneMachine machine, string ending) => Path.Join(machine["shapes"], ending);

    private static async Task ReadyAsync(OneMachine machine, string ending)
    {
        await OneMachine.WaitAsync(() => Escapes.Shapes.All(shape => Alive(machine, ending).Any(process => process.CommandLine.Contains("/" + shape, StringComparison.Ordinal))), Cancellation);
        AssertAllAlive(machine, ending);
    }

    private static void AssertAllAlive(OneMachine machine, string ending)
    {
        // Between two hops there is a moment with nothing but a shell that forks.
        IReadOnlyList<ProcessTable.Entry> alive = [];
        Assert.True(
            SpinWait.SpinUntil(() => (alive = Alive(machine, ending)) is var now && Escapes.Shapes.All(shape => now.Any(process => process.CommandLine.Contains("/" + shape, StringComparison.Ordinal))), TimeSpan.FromMinutes(1)),
            $"Of {ending} only these live:\n{string.Join('\n', alive)}");
    }

    private static IReadOnlyList<ProcessTable.Entry> Alive(OneMachine machine, string ending) =>
        [.. ProcessTable.All().Where(process => !process.IsZombie && process.CommandLine.Contains(ShapesOf(machine, ending) + "/", StringComparison.Ordinal))];

    /// <summary>The record is right, and in the moment in which it says so nothing lives.</summary>
    private static async Task AssertEndAsync(OneMachine machine, RunId runId, string ending, RunReason reason)
    {
        var record = await machine.UntilTerminalAsync(runId, Cancellation);
        var left = Alive(machine, ending);
        Assert.True(left.Count == 0, $"{ending}: still running:\n{string.Join('\n', left)}");
        Assert.True((record.Reason, record.State, record.Starts) == (reason, reason.State(), 1), $"{ending}: {record.State} {record.Reason} {record.Message}");
        var teardown = reason == RunReason.HostLost ? null : await File.ReadAllTextAsync(Path.Join(machine.Marks, $"teardown-{runId}.1"), Cancellation);
        Assert.Equal(reason == RunReason.HostLost ? null : reason.Text() + "\n", teardown);
        Assert.Equal(new TeardownResult(reason != RunReason.HostLost, reason == RunReason.HostLost ? null : 0), record.CurrentAttempt!.Teardown);
        Assert.Equal(reason switch { RunReason.Completed => 0, RunReason.AgentInvocation => 3, _ => null }, record.CurrentAttempt.ExitCode);
    }

    private static void KillShim(OneMachine machine, RunId runId)
    {
        var owner = machine.ReadRecord(runId).Owner!;
        var shim = Assert.Single(machine.Shims(), shim => shim.CommandLine.Contains(owner.Dir, StringComparison.Ordinal) || shim.Environment.Any(variable => variable.Contains(owner.Dir, StringComparison.Ordinal)));
        Assert.True(Signals.Send(shim.Id, Signals.Kill));
    }
}
