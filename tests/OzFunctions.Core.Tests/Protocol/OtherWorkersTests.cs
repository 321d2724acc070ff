using OzFunctions.Attempts;
using OzFunctions.Backends;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>Two workers of one machine share a workspace root, not their agents, accounts and secrets.</summary>
public sealed class OtherWorkersTests
{
    private const int Limit = 180_000;

    /// <summary>More than the pause between two looks.</summary>
    private static readonly TimeSpan UntilTheNextLook = TimeSpan.FromSeconds(61);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = Limit)]
    [InlineData(ProtocolStep.C8, false)]
    [InlineData(ProtocolStep.C8, true)]
    [InlineData(ProtocolStep.C10, false)]
    [InlineData(ProtocolStep.C10, true)]
    public async Task What_a_worker_runs_is_left_to_its_own_next_host(ProtocolStep step, bool isOfAnEarlierVersion)
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var run = await BeginAndDieAsync(world, machine, World.Ask(), step);
        var directory = Assert.Single(machine.Directories).Value;
        Assert.Equal("local", directory.Intent!.WorkerId);
        if (isOfAnEarlierVersion)
        {
            directory.Intent = directory.Intent with { WorkerId = null };
        }

        var (left, executed) = ((await world.FindAsync(run))!, machine.Executions.Count);
        var lines = new LogLines();
        await StartOtherAsync(world, machine, lines);
        world.Clock.Shift(UntilTheNextLook);
        await UntilAsync(
            world,
            async () => lines.Written.Any(line => line.Contains($"Run {run} of worker 'local', whose host is gone, is left to that worker's next host", StringComparison.Ordinal))
                || (await world.FindAsync(run))!.Owner != left.Owner);

        Assert.Equal((left.State, left.Owner), ((await world.FindAsync(run))!.State, (await world.FindAsync(run))!.Owner));
        Assert.Equal((executed, null), (machine.Executions.Count, directory.LockedBy));

        var next = world.StartHost(machine);
        var record = await world.UntilSettledAsync(run, Cancellation);
        Assert.Equal((RunState.Succeeded, 1, next.HostId), (record.State, record.Starts, Assert.Single(record.Attempts).HostId));
        Assert.All(machine.Executions.Values, count => Assert.Equal(1, count));
    }

    [Theory(Timeout = Limit)]
    [InlineData(ProtocolStep.C8, RunState.Queued)]
    [InlineData(ProtocolStep.C10, RunState.Error)]
    [InlineData(ProtocolStep.S6, RunState.Error)]
    public async Task What_a_worker_left_that_does_not_come_back_is_cleared_away_after_the_lease(ProtocolStep step, RunState state)
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var run = await BeginAndDieAsync(world, machine, World.Ask(), step);
        var executed = machine.Executions.Count;
        await StartOtherAsync(world, machine, new LogLines());

        // No faster than the other host can follow: one that has not looked for a lease gives the silent one 90 s more (ADR 0021).
        while ((await world.FindAsync(run))!.State is var now && now != state && !now.IsTerminal())
        {
            var followed = world.CallsAsync(2, World.IsHeartbeat);
            world.Clock.Shift(HostWatch.Grace);
            await followed.WaitAsync(Cancellation);
        }

        world.Clock.Shift(UntilTheNextLook);
        await UntilAsync(world, () => Task.FromResult(machine.Directories.IsEmpty));

        Assert.Equal((state, executed), ((await world.FindAsync(run))!.State, machine.Executions.Count));

        // What it was ended with stood in its directory, and nothing worked there any more.
        Assert.Equal(step == ProtocolStep.S6 ? 0 : 1, machine.Discarded.Count);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_left_of_an_exec_run_is_settled_by_any_host()
    {
        await using var world = new World();
        var machine = world.NewMachine();
        var ask = World.Ask(AgentPlan.UntilStopped);
        var run = await BeginAndDieAsync(world, machine, ask with { Trigger = new() { Kind = TriggerKind.Exec } }, ProtocolStep.C10);
        var directory = Assert.Single(machine.Directories).Value;
        directory.Intent = directory.Intent! with { WorkerId = null };

        await StartOtherAsync(world, machine, new LogLines());

        Assert.Equal(RunReason.HostLost, (await world.UntilSettledAsync(run, Cancellation)).Reason);
    }

    [Fact]
    public void A_directory_of_another_worker_is_due_once_a_minute_and_told_once()
    {
        var clock = new ManualTimeProvider();
        var others = new OtherWorkersDirectories("mine", clock);
        var intent = new AttemptIntent { Store = "s", RunId = RunId.Create(clock), Attempt = 1, WorkerId = "theirs" };

        for (var minutes = 0; minutes < 3; minutes++)
        {
            Assert.Equal(minutes > 0, others.IsDue("a", intent));
            Assert.False(others.IsDue("a", intent));
            clock.Advance(TimeSpan.FromSeconds(59));
            Assert.False(others.IsDue("a", intent));
            clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.True(others.Note("a"));
        Assert.False(others.Note("a"));
        Assert.False(others.IsDue("a", intent));
        others.KeepOnly(new HashSet<string>());
        Assert.True(others.Note("a"));
    }

    [Theory]
    [InlineData("mine")]
    [InlineData(null)]
    public void A_directory_of_this_worker_or_of_one_that_is_not_named_is_due_until_its_record_says_otherwise(string? workerId)
    {
        var clock = new ManualTimeProvider();
        var others = new OtherWorkersDirectories("mine", clock);
        var intent = new AttemptIntent { Store = "s", RunId = RunId.Create(clock), Attempt = 1, WorkerId = workerId };
        Assert.True(others.IsDue("a", intent));
        Assert.True(others.IsDue("a", intent));

        Assert.True(others.Note("a"));

        Assert.False(others.IsDue("a", intent));
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.True(others.IsDue("a", intent));
    }

    private static async Task<RunId> BeginAndDieAsync(World world, SimulatedMachine machine, Intake.RunSubmission ask, ProtocolStep step)
    {
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(ask, Cancellation)).Run.RunId;
        var dying = world.NewProcess(step);
        world.StartHost(dying, machine);
        await dying.Killed.WaitAsync(Cancellation);
        return run;
    }

    /// <summary>Returns when it has looked at the machine's directories, which it does before its loops begin.</summary>
    private static async Task StartOtherAsync(World world, SimulatedMachine machine, LogLines lines)
    {
        var begun = world.CallsAsync(4, World.IsHeartbeat);
        world.StartHost(new SimulatedProcess(world, killAfter: null, loggers: lines), machine, workerId: "other");
        await begun.WaitAsync(Cancellation);
    }

    private static Task UntilAsync(World world, Func<Task<bool>> condition) => world.UntilAsync(
        () =>
        {
            world.PulseSoon();
            return condition();
        },
        Cancellation);
}
