using OzFunctions.Core.Tests.Schedules;
using OzFunctions.Intake;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Queues;

public sealed class FleetWatchTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_counts_ready_runs_and_the_age_of_the_oldest()
    {
        var scene = new ScheduleScene();
        var ask = new RunSubmission { Request = new() { Prompt = "p", Priority = 5 }, Trigger = new() { Kind = TriggerKind.Cli } };
        await scene.Process.Intake.SubmitAsync(ask, Cancellation);
        scene.Clock.Advance(TimeSpan.FromMinutes(3));
        await scene.Process.Intake.SubmitAsync(ask, Cancellation);

        var state = await scene.Process.Fleet.LookAsync(Cancellation);

        Assert.Equal((2, TimeSpan.FromMinutes(3), 0, 0), (state.Waiting, state.Oldest, state.ReadyHosts, state.DeadHosts));
    }
}
