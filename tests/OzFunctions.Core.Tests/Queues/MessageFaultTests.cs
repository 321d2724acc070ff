using System.Text;
using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Schedules;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Queues;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Queues;

/// <summary>Messages on which intake fails in a way that nobody foresaw.</summary>
public sealed class MessageFaultTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_that_breaks_intake_is_buried_at_its_fifth_delivery(bool byAnotherProcessEachTime)
    {
        var (scene, queue) = await SentAsync();
        Break(scene);
        var consumer = scene.Process.CreateConsumer(queue);

        for (var delivery = 1; delivery <= 5; delivery++)
        {
            Assert.Equal((1, 0), (queue.Count, Letters(scene)));
            await FailAsync(scene, byAnotherProcessEachTime ? scene.Process.CreateConsumer(queue) : consumer);
        }

        Assert.Equal((0, 1), (queue.Count, Letters(scene)));
        var letter = await scene.Process.DeadLetters.ListAsync(Cancellation).SingleAsync(Cancellation);
        Assert.Equal("delivered_too_often", letter.Reason);
        Assert.Contains("5 times", letter.Description, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_that_only_waited_before_is_not_buried_for_one_fault_but_for_five(bool storeWasAway)
    {
        var (scene, queue) = await SentAsync();
        var core = scene.NewProcess(new CoreOptions { Intake = new() { MaxQueued = 1 } });
        var waiting = (await core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        var consumer = core.CreateConsumer(queue);
        if (storeWasAway)
        {
            scene.Store.Before = (_, _) => throw new BlobStoreException("The store did not answer (503).", isTransient: true, null);
        }

        for (var delivery = 1; delivery <= 7; delivery++)
        {
            await FailAsync(scene, consumer);
        }

        scene.Store.Before = null;
        await core.Cancels.CancelAsync(waiting, "ann", null, Cancellation);
        Break(scene);
        for (var fault = 1; fault <= 5; fault++)
        {
            Assert.Equal((1, 0), (queue.Count, Letters(scene)));
            await FailAsync(scene, consumer);
        }

        Assert.Equal((0, 1), (queue.Count, Letters(scene)));
    }

    [Theory]
    [InlineData(20, 0)]
    [InlineData(99, 1)]
    public async Task One_that_came_to_others_many_times_has_five_faults_here_before_it_is_buried_unless_there_is_no_end_to_it(int deliveries, int buried)
    {
        var (scene, queue) = await SentAsync();
        for (var delivery = 0; delivery < deliveries; delivery++)
        {
            await queue.AbandonAsync((await queue.ReceiveAsync(TimeSpan.FromSeconds(1), TimeSpan.Zero, Cancellation))!, TimeSpan.Zero, Cancellation);
        }

        Break(scene);
        await FailAsync(scene, scene.Process.CreateConsumer(queue));

        Assert.Equal((1 - buried, buried), (queue.Count, Letters(scene)));
    }

    private static async Task<(ScheduleScene Scene, InMemoryRequestQueue Queue)> SentAsync()
    {
        var scene = new ScheduleScene();
        var queue = new InMemoryRequestQueue("oz-requests", scene.Clock);
        await queue.SendAsync(Encoding.UTF8.GetBytes("""{"prompt":"p"}"""), Cancellation);
        return (scene, queue);
    }

    private static void Break(ScheduleScene scene) => scene.Store.Before = (call, name) =>
        call == "TryCreateAsync" && name.StartsWith("runs/", StringComparison.Ordinal) ? throw new InvalidOperationException("nobody foresaw this") : Task.CompletedTask;

    /// <summary>One delivery, and the time until the next may come.</summary>
    private static async Task FailAsync(ScheduleScene scene, RequestConsumer consumer)
    {
        Assert.True(await consumer.ConsumeOneAsync(TimeSpan.Zero, Cancellation));
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
    }

    private static int Letters(ScheduleScene scene) => scene.Store.Names.Count(name => name.StartsWith("dead-letters/", StringComparison.Ordinal));
}
