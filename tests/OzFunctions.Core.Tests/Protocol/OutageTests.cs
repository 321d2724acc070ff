using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Hosts;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>The store is away, on a clock that is moved by hand and with the product's own times: lease 10 minutes, heartbeat 30 seconds, tick 10 seconds.</summary>
public sealed class OutageTests
{
    private const int Limit = 300_000;

    private readonly ManualTimeProvider _clock = new();

    /// <summary>How a store may be away.</summary>
    public enum Kind
    {
        /// <summary>Answers 503.</summary>
        Refuses,

        /// <summary>Does not answer; the client gives up.</summary>
        TimesOut,

        /// <summary>Does what it is asked, and the connection drops before the answer.</summary>
        DropsAnswers,
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory(Timeout = Limit)]
    [InlineData(Kind.Refuses)]
    [InlineData(Kind.TimesOut)]
    [InlineData(Kind.DropsAnswers)]
    public async Task Eight_minutes_without_the_store_stop_nothing_and_lose_nothing(Kind kind)
    {
        await using var world = new World(_ => new InMemoryBlobStore(_clock)) { SharedLocks = false };
        var machine = world.NewMachine();
        var (host, process) = Start(world, machine);
        var stays = await RunningAsync(world, process, AgentPlan.UntilStopped);

        Begin(world, kind);
        await PassAsync(TimeSpan.FromMinutes(1));
        Assert.Contains("The store has not been reached since", host.NotReady, StringComparison.Ordinal);
        var calls = world.Calls;
        await PassAsync(TimeSpan.FromMinutes(7));

        // Heartbeats, signals, listings, ticks and looks, each with its pauses: nothing turns on the spot.
        Assert.InRange(world.Calls - calls, 1, 7 * 60);
        Assert.Equal(1, host.RunningCount);
        Assert.All(machine.Directories.Values, directory => Assert.Null(directory.Outcome));

        world.Outage = null;
        await UntilAsync(() => host.NotReady is null);
        Assert.Equal(RunState.InProgress, (await world.FindAsync(stays))!.State);
        await process.Core.Cancels.CancelAsync(stays, "ann", null, Cancellation);
        await UntilAsync(() => world.Versions.Any(version => version.RunId == stays && version.State == RunState.Cancelled));
        var next = (await process.Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await UntilAsync(() => world.Versions.Any(version => version.RunId == next && version.State == RunState.Succeeded));
        await UntilAsync(() => machine.Directories.IsEmpty && world.CompletionIds(stays).Count == 1 && world.CompletionIds(next).Count == 1);
        await EndAsync(world, host);
        Assert.Empty(await world.FindBreachesAsync([stays, next]));
    }

    [Theory(Timeout = Limit)]
    [InlineData(Kind.Refuses)]
    [InlineData(Kind.DropsAnswers)]
    public async Task Fifteen_minutes_without_the_store_stop_the_agents_and_lose_no_outcome(Kind kind)
    {
        await using var world = new World(_ => new InMemoryBlobStore(_clock)) { SharedLocks = false };
        var machine = world.NewMachine();
        var (host, process) = Start(world, machine);
        var run = await RunningAsync(world, process, AgentPlan.UntilStopped);

        Begin(world, kind);
        await PassAsync(TimeSpan.FromMinutes(8));
        Assert.All(machine.Directories.Values, directory => Assert.Null(directory.Outcome));
        await PassAsync(TimeSpan.FromMinutes(7));

        // Stopped, with its outcome on disk; what it says of itself is that the store is away.
        Assert.All(machine.Directories.Values, directory => Assert.Equal(RunReason.HostLost, directory.Outcome!.Reason));
        Assert.Contains("agents were stopped", host.NotReady, StringComparison.Ordinal);

        world.Outage = null;
        await UntilAsync(() => world.Versions.Any(version => version.RunId == run && version.State == RunState.Error));
        await UntilAsync(() => machine.Directories.IsEmpty && world.CompletionIds(run).Count == 1 && host.NotReady is null);
        var next = (await process.Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await UntilAsync(() => world.Versions.Any(version => version.RunId == next && version.State == RunState.Succeeded) && world.CompletionIds(next).Count == 1);
        await UntilAsync(() => machine.Directories.IsEmpty);
        await EndAsync(world, host);
        Assert.Empty(await world.FindBreachesAsync([run, next]));
    }

    [Fact(Timeout = Limit)]
    public async Task An_idle_host_calls_the_store_as_often_as_the_documents_say()
    {
        await using var world = new World(_ => new InMemoryBlobStore(_clock)) { SharedLocks = false };
        var (host, _) = Start(world, world.NewMachine());
        await UntilAsync(() => world.Calls > 0);
        await PassAsync(TimeSpan.FromMinutes(2));
        var calls = world.Calls;

        await PassAsync(TimeSpan.FromMinutes(10));

        // 20 heartbeats; a listing and a look at control.json every 15 s; every 8 to 12 s a tick of seven listings and reads.
        Assert.InRange(world.Calls - calls, 100, 800);
        await EndAsync(world, host);
    }

    private (WorkerHost Host, SimulatedProcess Process) Start(World world, SimulatedMachine machine)
    {
        var process = world.NewProcess(_clock);
        return (world.StartHost(process, machine), process);
    }

    private async Task<RunId> RunningAsync(World world, SimulatedProcess process, AgentPlan plan)
    {
        var run = (await process.Core.Intake.SubmitAsync(World.Ask(plan), Cancellation)).Run.RunId;
        await UntilAsync(() => world.Versions.Any(version => version.RunId == run && version.State == RunState.InProgress));
        return run;
    }

    private static void Begin(World world, Kind kind)
    {
        if (kind == Kind.DropsAnswers)
        {
            world.DropsAnswers = true;
        }

        world.Outage = kind switch
        {
            Kind.Refuses => _ => new BlobStoreException("The store answers 503.", isTransient: true, null),
            Kind.TimesOut => _ => new BlobStoreException("The store did not answer in time.", isTransient: true, new TimeoutException()),
            _ => _ => new BlobStoreException("The connection dropped.", isTransient: true, null),
        };
    }

    /// <summary>Second by second, so that everything that is due in between comes to its turn.</summary>
    private async Task PassAsync(TimeSpan time)
    {
        for (var passed = TimeSpan.Zero; passed < time; passed += TimeSpan.FromSeconds(1))
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Cancellation);
        }
    }

    private async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await PassAsync(TimeSpan.FromSeconds(1));
        }
    }

    private async Task EndAsync(World world, WorkerHost host)
    {
        host.Drain();
        var running = world.RunningOf(host);
        await UntilAsync(() => running.IsCompleted);
        await running;
    }
}
