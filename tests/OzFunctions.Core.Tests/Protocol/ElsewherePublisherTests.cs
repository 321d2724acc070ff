using OzFunctions.Core.Tests.Schedules;
using OzFunctions.Events;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>A receiver that only another kind of process can send to.</summary>
public sealed class ElsewherePublisherTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Who_ends_a_run_owes_its_event_and_never_tries_and_who_can_sends_it_with_its_tick()
    {
        var scene = new ScheduleScene();
        var (named, real) = (new Bus { IsElsewhere = true }, new Bus());
        var host = scene.NewProcess(new CoreOptions(), scene.Clock, named);
        var run = await host.Intake.SubmitAsync(new() { Request = new() { Prompt = "p" }, Trigger = new() { Kind = TriggerKind.Cli } }, Cancellation);
        await host.Cancels.CancelAsync(run.Run.RunId, "test", null, Cancellation);
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        await host.Tick.TickAsync(Cancellation);

        var owed = (await host.Records.FindAsync(run.Run.RunId, Cancellation))!.Record;
        Assert.Equal((RunState.Cancelled, "bus", 0), (owed.State, Assert.Single(owed.Outbox!).Publisher, owed.Outbox![0].Tries));
        Assert.Empty(named.Sent);

        await scene.NewProcess(new CoreOptions(), scene.Clock, real).Tick.TickAsync(Cancellation);

        Assert.Equal($"{run.Run.RunId}:0:completed", Assert.Single(real.Sent));
        Assert.DoesNotContain(RunBlobs.Active(run.Run.RunId), scene.Store.Names);
    }

    private sealed class Bus : IEventPublisher
    {
        public List<string> Sent { get; } = [];

        public string Name => "bus";

        public bool IsElsewhere { get; init; }

        public Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
        {
            if (runEvent.Type.Contains("completed", StringComparison.Ordinal))
            {
                Sent.Add(runEvent.Id);
            }

            return Task.CompletedTask;
        }
    }
}
