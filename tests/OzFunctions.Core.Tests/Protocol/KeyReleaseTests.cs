using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>A run that ended without its host holds its key no more: with a key for each pull request nobody would ever come and take it off.</summary>
public sealed class KeyReleaseTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_run_that_ended_with_its_machine_leaves_no_lock()
    {
        await using var world = new World { SharedLocks = false };
        var core = world.NewProcess().Core;
        var run = await LoseAsync(world, core, Keyed(starts: 1));

        Assert.Equal(RunReason.HostLost, (await world.FindAsync(run))!.Reason);
        Assert.Empty(await world.NamesAsync("locks/"));
        Assert.Empty(await world.NamesAsync("active/"));
    }

    [Theory(Timeout = Limit)]
    [InlineData(RunReason.TaskCancelled)]
    [InlineData(RunReason.Expired)]
    public async Task A_run_that_lost_its_machine_and_ends_while_it_waits_again_leaves_no_lock(RunReason end)
    {
        await using var world = new World { SharedLocks = false };
        var core = world.NewProcess().Core;
        var ask = Keyed(starts: 2);
        var run = await LoseAsync(world, core, ask with { Request = ask.Request with { ExpiresAt = world.Clock.GetUtcNow() + TimeSpan.FromHours(1) } });
        Assert.Equal(RunState.Queued, (await world.FindAsync(run))!.State);

        if (end == RunReason.TaskCancelled)
        {
            await core.Cancels.CancelAsync(run, "ann", null, Cancellation);
        }
        else
        {
            world.Clock.Shift(TimeSpan.FromHours(1));
            await core.Tick.TickAsync(Cancellation);
        }

        Assert.Equal(end, (await world.FindAsync(run))!.Reason);
        Assert.Empty(await world.NamesAsync("locks/"));
    }

    [Fact(Timeout = Limit)]
    public async Task Of_a_key_with_room_for_two_only_the_lost_attempt_goes()
    {
        await using var world = new World { SharedLocks = false, RoomPerKey = 2 };
        var core = world.NewProcess().Core;
        var run = await LoseAsync(world, core, Keyed(starts: 2));
        world.StartHost(world.NewMachine("other"), killAfter: ProtocolStep.C10, slots: 1);
        await world.UntilAsync(run, record => record.Attempt == 2 && record.State == RunState.InProgress, Cancellation);

        await core.Cancels.CancelAsync(run, "ann", null, Cancellation);

        Assert.Single(await world.NamesAsync("locks/"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_that_holds_nothing_costs_no_look_at_a_lock()
    {
        await using var world = new World { SharedLocks = false };
        var core = world.NewProcess().Core;
        var looks = 0;
        world.Store.Before = (_, name) =>
        {
            looks += name.StartsWith("locks/", StringComparison.Ordinal) ? 1 : 0;
            return Task.CompletedTask;
        };
        var waiting = (await core.Intake.SubmitAsync(Keyed(starts: 1), Cancellation)).Run.RunId;
        await core.Cancels.CancelAsync(waiting, "ann", null, Cancellation);

        var run = await LoseAsync(world, core, World.Ask());

        Assert.Equal(RunReason.HostLost, (await world.FindAsync(run))!.Reason);
        Assert.Equal(0, looks);
    }

    private static async Task<RunId> LoseAsync(World world, OzCore core, RunSubmission ask)
    {
        var run = (await core.Intake.SubmitAsync(ask, Cancellation)).Run.RunId;
        var dying = world.NewProcess(ProtocolStep.C10);
        world.StartHost(dying, world.NewMachine("lost"));
        await dying.Killed.WaitAsync(Cancellation);
        world.Clock.Shift(World.Lease + TimeSpan.FromMinutes(2));
        await core.Tick.TickAsync(Cancellation);
        return run;
    }

    private static RunSubmission Keyed(int starts)
    {
        var ask = World.Ask();
        return ask with { Request = ask.Request with { ConcurrencyKey = "pull-request-7", MaxAttempts = starts } };
    }
}
