using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.EndToEnd.Tests;

/// <summary>Hosts and agents that are not as they should be: the run ends with a sentence, the host lives on, nothing is left.</summary>
public sealed class BadHostTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = 300_000)]
    [InlineData("exit 0", null, RunState.Succeeded, RunReason.Completed, 0)]
    [InlineData("echo no >&2; exit 1", "exited with code 1", RunState.Failed, RunReason.AgentInvocation, 1)]
    [InlineData("kill -SEGV $$", "signal SIGSEGV", RunState.Failed, RunReason.AgentInvocation, 139)]
    [InlineData("kill -KILL $$", "signal SIGKILL", RunState.Failed, RunReason.AgentInvocation, 137)]
    [InlineData("exec >&- 2>&-; (setsid sleep 300 &); sleep 300", "closed its output", RunState.Failed, RunReason.AgentInvocation, 1)]
    public async Task An_agent_ends_in_its_own_way_and_the_waiting_command_with_its_code(string agent, string? says, RunState state, RunReason reason, int exits)
    {
        await using var machine = new OneMachine(agent, direct: "finished_grace: 1s");
        machine.StartWorker();

        var (exitCode, output, errors) = await machine.OzfAsync(Cancellation, "run", "-p", "x", "--wait");
        var record = await machine.UntilTerminalAsync(RunId.Parse(Path.GetFileName(Assert.Single(machine.Files("runs")))[14..^5]), Cancellation);

        Assert.Equal((state, reason, exits), (record.State, record.Reason, exitCode));
        Assert.Contains(says ?? "The agent has finished", output + errors + record.Message, StringComparison.Ordinal);
        await machine.AssertNothingLeftAsync(Cancellation);
    }

    [Theory(Timeout = 300_000)]
    [InlineData("exit 7", RunReason.SetupCommand, "code 7")]
    [InlineData("printf 'A=1\\nB=2\\nnot a line\\n' > \"$OZ_ENVIRONMENT_FILE\"", RunReason.EnvironmentFile, "line 3")]
    public async Task A_setup_that_goes_wrong_keeps_the_agent_from_starting_and_teardown_runs(string setup, RunReason reason, string says)
    {
        await using var machine = new OneMachine(
            "touch \"$MARKS/agent\"",
            direct: $"setup_command: |\n  {setup}\nteardown_command: 'echo $OZF_RUN_REASON >> \"$MARKS/teardown\"'");
        var runId = await machine.RunAsync(Cancellation, "-p", "x");
        var worker = machine.StartWorker();

        var record = await machine.UntilTerminalAsync(runId, Cancellation);
        await OneMachine.WaitAsync(() => Lines(worker).Any(line => line.Contains("is over", StringComparison.Ordinal)), Cancellation);
        await machine.AssertNothingLeftAsync(Cancellation);

        Assert.Equal((RunState.Failed, reason, 0), (record.State, record.Reason!.Value, record.Starts));
        Assert.Contains(says, record.Message, StringComparison.Ordinal);
        Assert.Equal([reason.Text()], await File.ReadAllLinesAsync(machine["marks/teardown"], Cancellation));
        Assert.False(File.Exists(machine["marks/agent"]));

        // The host's own log says how it ended and why, without a look at the record.
        Assert.Single(Lines(worker), line => line.Contains(runId.Value, StringComparison.Ordinal) && line.Contains("FAILED", StringComparison.Ordinal) && line.Contains(says, StringComparison.Ordinal));
    }

    [Fact(Timeout = 300_000)]
    public async Task An_agent_that_goes_missing_makes_the_host_wait_with_one_line_and_go_on_when_it_is_back()
    {
        await using var machine = new OneMachine("exit 0");
        var worker = machine.StartWorker();
        await OneMachine.WaitAsync(() => Lines(worker).Any(line => line.Contains("serves worker", StringComparison.Ordinal)), Cancellation);
        File.Move(machine["oz"], machine["oz.away"], overwrite: true);

        var runId = await machine.RunAsync(Cancellation, "-p", "x");
        await OneMachine.WaitAsync(() => Lines(worker).Any(line => line.Contains("takes no runs", StringComparison.Ordinal)), Cancellation);

        // Its log says so first; others read it in the heartbeat that follows.
        await OneMachine.UntilAsync(() => machine.OzfAsync(Cancellation, "workers", "list"), list => list.Output.Contains(machine["oz"], StringComparison.Ordinal), Cancellation);

        // Every submission rings: each is a look at the machine, and none another line.
        await machine.RunAsync(Cancellation, "-p", "y");
        File.Move(machine["oz.away"], machine["oz"], overwrite: true);
        await machine.RunAsync(Cancellation, "-p", "z");
        var record = await machine.UntilTerminalAsync(runId, Cancellation);
        Assert.Equal(RunState.Succeeded, record.State);
        await machine.AssertNothingLeftAsync(Cancellation);
        Assert.Single(Lines(worker), line => line.Contains("takes no runs", StringComparison.Ordinal));
    }

    [Theory(Timeout = 300_000)]
    [InlineData("absent", "does not exist")]
    [InlineData("not executable", "is not executable")]
    public async Task A_worker_without_an_agent_exits_69_and_names_the_path(string how, string says)
    {
        await using var machine = new OneMachine("exit 0");
        if (how == "absent")
        {
            File.Delete(machine["oz"]);
        }
        else
        {
            File.SetUnixFileMode(machine["oz"], UnixFileMode.UserRead);
        }

        var (exitCode, _, errors) = await RunWorkerAsync(machine);

        Assert.Equal(69, exitCode);
        Assert.Contains(machine["oz"], errors, StringComparison.Ordinal);
        Assert.Contains(says, errors, StringComparison.Ordinal);
    }

    [Fact(Timeout = 300_000)]
    public async Task A_workspace_root_that_is_a_file_exits_69_with_the_way_out()
    {
        await using var machine = new OneMachine("exit 0");
        await File.WriteAllTextAsync(machine.Workspaces, "", Cancellation);

        var (exitCode, _, errors) = await RunWorkerAsync(machine);

        Assert.Equal(69, exitCode);
        Assert.Contains(machine.Workspaces, errors, StringComparison.Ordinal);
        Assert.Contains("workspace_root", errors, StringComparison.Ordinal);
    }

    [Fact(Timeout = 300_000)]
    public async Task A_workspace_root_on_a_disk_too_small_for_the_shim_exits_69_with_the_way_out()
    {
        await using var machine = new OneMachine("exit 0");
        await using var disk = await SmallDisk.TryMountAsync(machine.Workspaces, "1m");
        Assert.SkipUnless(disk is not null, "needs root, to mount a small disk");

        var (exitCode, _, errors) = await RunWorkerAsync(machine);

        Assert.Equal(69, exitCode);
        Assert.Contains("No space left on device", errors, StringComparison.Ordinal);
        Assert.Contains("workspace_root", errors, StringComparison.Ordinal);

        // No half of a shim: only the two empty files of locks, that of who installs and that of this process, which the next host clears away.
        var left = Directory.GetFiles(machine.Workspaces, "*", SearchOption.AllDirectories).Select(path => new FileInfo(path)).OrderBy(file => file.Name, StringComparer.Ordinal).ToList();
        Assert.Collection(
            left,
            file => Assert.Matches("\\Ahost-[0-9a-f]{32}\\.lock\\z", file.Name),
            file => Assert.Equal("lock", file.Name));
        Assert.All(left, file => Assert.Equal(0, file.Length));
    }

    [Fact(Timeout = 300_000)]
    public async Task An_agent_that_fills_its_disk_ends_as_it_says_and_the_next_run_goes_well()
    {
        await using var machine = new OneMachine("head -c 64000000 /dev/zero > junk; echo full; exit 3", settings: "limits: { disk_free: 0, inodes_free: 0 }");
        await using var disk = await SmallDisk.TryMountAsync(machine.Workspaces, "16m");
        Assert.SkipUnless(disk is not null, "needs root, to mount a small disk");
        machine.StartWorker();

        for (var round = 0; round < 2; round++)
        {
            var record = await machine.UntilTerminalAsync(await machine.RunAsync(Cancellation, "-p", "x"), Cancellation);
            Assert.Equal((RunReason.AgentInvocation, 3, true), (record.Reason, record.CurrentAttempt!.ExitCode, record.CurrentAttempt.Log!.Sealed));
        }

        await machine.AssertNothingLeftAsync(Cancellation);
    }

    private static async Task<(int ExitCode, string Output, string Errors)> RunWorkerAsync(OneMachine machine)
    {
        var worker = machine.StartWorker();
        var exitCode = await worker.WaitForExitAsync(Cancellation);
        return (exitCode, string.Join('\n', worker.Output), string.Join('\n', worker.Errors));
    }

    private static IEnumerable<string> Lines(TestProcess worker) => worker.Output.Concat(worker.Errors);
}
