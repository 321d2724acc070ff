using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>Hosts on several machines over a store that only they share: clocks that differ, networks that part, machines that are lost.</summary>
public sealed class ManyHostsTests
{
    private const int Limit = 300_000;

    private static readonly TimeSpan[] Skews = [TimeSpan.Zero, TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(-10)];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task Clocks_that_differ_by_twenty_minutes_change_nothing()
    {
        await using var world = new World { SharedLocks = false };
        var hosts = Skews.Select((skew, i) => world.StartHost(Process(world, skew), world.NewMachine($"m{i}"), slots: 2)).ToList();
        var runs = new List<RunId>();

        // More than two hosts have room for, so that none of the three is left out however quick another one is.
        var core = Process(world, Skews[1]).Core;
        var held = new List<RunId>();
        for (var i = 0; i < 5; i++)
        {
            held.Add((await core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped, key: $"h{i}"), Cancellation)).Run.RunId);
        }

        foreach (var run in held)
        {
            await world.UntilAsync(run, begun => begun.State == RunState.InProgress, Cancellation);
        }

        Assert.Equal(3, world.Machines.Count(machine => !machine.Executions.IsEmpty));
        foreach (var run in held)
        {
            await core.Cancels.CancelAsync(run, "ann", null, Cancellation);
            await world.UntilAsync(run, ended => ended.State == RunState.Cancelled, Cancellation);
        }

        for (var i = 0; i < 45; i++)
        {
            var ask = World.Ask(i % 5 == 0 ? AgentPlan.Fails : AgentPlan.Succeeds, key: $"k{i}");
            ask = ask with { Request = ask.Request with { IdempotencyKey = $"k{i}", ConcurrencyKey = i % 3 == 0 ? "one" : null } };
            runs.Add((await Process(world, Skews[i % 3]).Core.Intake.SubmitAsync(ask, Cancellation)).Run.RunId);
        }

        foreach (var run in runs)
        {
            var record = await world.UntilAsync(run, ended => ended.State.IsTerminal(), Cancellation);
            Assert.Equal((true, 1), (record.State is RunState.Succeeded or RunState.Failed, record.Starts));
        }

        await world.UntilAsync(async () => (await world.NamesAsync("active/")).Count == 0, Cancellation);
        Assert.Equal(hosts.Select(host => host.HostId).Order(), (await world.NewProcess().Core.Hosts.ListAsync(Cancellation)).Where(known => known.Alive).Select(known => known.Heartbeat.HostId).Order());

        // An entry that a tick had on its way is gone with the next listing, while hosts live.
        await world.UntilAsync(async () => (await world.NamesAsync("ready/")).Count == 0, Cancellation);
        Assert.Empty(await world.FindBreachesAsync([.. held, .. runs]));
    }

    [Theory(Timeout = Limit)]
    [InlineData(10)]
    [InlineData(-10)]
    public async Task A_lost_host_is_given_its_whole_lease_by_a_ticker_whose_clock_is_wrong(int minutes)
    {
        await using var world = new World { SharedLocks = false };
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var lost = new SimulatedProcess(world, ProtocolStep.C10, time: new SkewedTimeProvider(world.Clock, TimeSpan.FromMinutes(-minutes)));
        world.StartHost(lost, world.NewMachine("lost"));
        await lost.Killed.WaitAsync(Cancellation);
        var ticker = Process(world, TimeSpan.FromMinutes(minutes)).Core.Tick;

        world.Clock.Shift(World.Lease + TimeSpan.FromSeconds(30));
        await ticker.TickAsync(Cancellation);
        Assert.Equal(RunState.InProgress, (await world.FindAsync(run))!.State);

        world.Clock.Shift(TimeSpan.FromMinutes(1));
        await ticker.TickAsync(Cancellation);
        Assert.Equal(RunReason.HostLost, (await world.FindAsync(run))!.Reason);
        Assert.Single(world.CompletionIds(run));
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_that_is_cut_off_stops_its_agents_before_others_may_take_over_and_its_late_writes_are_refused()
    {
        await using var world = new World { SharedLocks = false };
        var machine = world.NewMachine("cut off");
        var cut = world.NewProcess();
        var host = world.StartHost(cut, machine);
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);
        var other = world.StartHost(world.NewProcess(), world.NewMachine("other"));

        cut.IsCutOff = true;
        await UntilAsync(world, () => host.NotReady is not null);
        Assert.Contains("has not been reached", host.NotReady, StringComparison.Ordinal);

        // Nine minutes after the last heartbeat that was sent: its own stop, two minutes before anybody else may act.
        await PassAsync(world, World.Lease - TimeSpan.FromSeconds(30), other);
        await UntilAsync(world, () => machine.Directories.Values.All(directory => directory.Outcome is not null));
        Assert.Equal(RunState.InProgress, (await world.FindAsync(run))!.State);

        await PassAsync(world, TimeSpan.FromMinutes(2), other);
        var settled = await world.UntilAsync(run, record => record.State.IsTerminal(), Cancellation);
        Assert.Equal(RunReason.HostLost, settled.Reason);

        cut.IsCutOff = false;
        await UntilAsync(world, () => host.NotReady is null);
        await UntilAsync(world, () => machine.Directories.IsEmpty);
        Assert.Equal(settled.Event!.Value.GetRawText(), (await world.FindAsync(run))!.Event!.Value.GetRawText());
        await world.UntilAsync(async () => (await world.NamesAsync("active/")).Count == 0, Cancellation);
        Assert.Empty(await world.FindBreachesAsync([run]));

        // And it works again.
        var next = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        Assert.Equal(RunState.Succeeded, (await world.UntilAsync(next, record => record.State.IsTerminal(), Cancellation)).State);
    }

    [Theory(Timeout = Limit)]
    [InlineData(2, "was taken from this host, it was given up for lost and waits to be claimed again")]
    [InlineData(1, "was given up for lost while this host was away, the run is ERROR (host_lost)")]
    public async Task A_host_whose_run_was_given_up_while_it_was_away_says_so_and_names_no_other_host(int starts, string said)
    {
        await using var world = new World { SharedLocks = false };
        var lines = new LogLines();
        var cut = new SimulatedProcess(world, killAfter: null, loggers: lines);

        // With one slot, which is free once it has said what became of the run: with more it could claim the run that waits again before it says so.
        world.StartHost(cut, world.NewMachine("cut off"), slots: 1);
        var ask = World.Ask(AgentPlan.UntilStopped);
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(ask with { Request = ask.Request with { MaxAttempts = starts } }, Cancellation)).Run.RunId;
        await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);

        // It ticks for all and takes no runs of this worker.
        var other = world.StartHost(world.NewProcess(), world.NewMachine("other"), workerId: "other");
        cut.IsCutOff = true;
        await PassAsync(world, World.Lease + TimeSpan.FromMinutes(2), other);
        await world.UntilAsync(run, record => record.State is RunState.Queued or RunState.Error, Cancellation);

        cut.IsCutOff = false;
        await UntilAsync(world, () => lines.Written.Any(line => line.Contains(said, StringComparison.Ordinal)));

        Assert.DoesNotContain(lines.Written, line => line.Contains("another host", StringComparison.OrdinalIgnoreCase));
        await world.NewProcess().Core.Cancels.CancelAsync(run, "ann", null, Cancellation);
    }

    private static SimulatedProcess Process(World world, TimeSpan skew) => world.NewProcess(new SkewedTimeProvider(world.Clock, skew));

    /// <summary>Time goes by in steps, and in each of them this host, which lives, has its heartbeat: the second one to begin says that the first is over.</summary>
    private static async Task PassAsync(World world, TimeSpan time, WorkerHost living)
    {
        for (var passed = TimeSpan.Zero; passed < time; passed += TimeSpan.FromSeconds(30))
        {
            world.Clock.Shift(TimeSpan.FromSeconds(30));
            await world.CallsAsync(2, call => World.IsHeartbeat(call) && call.Name.Contains(living.HostId, StringComparison.Ordinal)).WaitAsync(Cancellation);
        }
    }

    private static Task UntilAsync(World world, Func<bool> condition) => world.UntilAsync(
        () =>
        {
            world.PulseSoon();
            return Task.FromResult(condition());
        },
        Cancellation);
}
