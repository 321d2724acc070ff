using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Queues;

/// <summary>Messages that other readers of the queue gave up.</summary>
public sealed class GivenUpMessageTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 180_000)]
    public async Task Those_that_cannot_be_kept_do_not_hold_up_the_requests_that_can_be_taken()
    {
        await using var world = new World();
        var poison = new InMemoryRequestQueue("oz-requests-poison", world.Clock);
        var queue = new InMemoryRequestQueue("oz-requests", world.Clock) { GivenUp = poison };
        // More than one: the first is hidden for a while once it was met.
        await poison.SendAsync("{"u8.ToArray(), Cancellation);
        await poison.SendAsync("["u8.ToArray(), Cancellation);
        await queue.SendAsync("""{"prompt":"x"}"""u8.ToArray(), Cancellation);
        world.Store.Before = (_, name) => name.StartsWith("dead-letters/", StringComparison.Ordinal) ? throw new InvalidOperationException("nobody foresaw this") : Task.CompletedTask;
        var consumer = world.NewProcess().Core.CreateConsumer(queue);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);

        // As its host does: begin anew after whatever it was.
        await Assert.ThrowsAsync<InvalidOperationException>(() => consumer.RunAsync(stop.Token));
        var consuming = consumer.RunAsync(stop.Token);
        var taken = world.UntilAsync(async () => (await world.NamesAsync("runs/")).Count == 1, stop.Token);

        Assert.Same(taken, await Task.WhenAny(taken, consuming));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => consuming);
        Assert.Equal(2, poison.Count);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_flood_of_them_is_kept_for_one_listing_a_visit_and_requests_get_their_turn_between()
    {
        await using var world = new World();
        var poison = new InMemoryRequestQueue("oz-requests-poison", world.Clock);
        var queue = new InMemoryRequestQueue("oz-requests", world.Clock) { GivenUp = poison };
        for (var i = 0; i < 50; i++)
        {
            await poison.SendAsync("{"u8.ToArray(), Cancellation);
        }

        await queue.SendAsync("""{"prompt":"x"}"""u8.ToArray(), Cancellation);
        var (listings, kept, leftAtRun) = (0, 0, -1);
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Store.After = (method, name) =>
        {
            listings += method == nameof(IBlobStore.ListAsync) && name == "dead-letters/" ? 1 : 0;
            if (method == nameof(IBlobStore.TryCreateAsync) && name.StartsWith("runs/", StringComparison.Ordinal))
            {
                leftAtRun = poison.Count;
            }

            if (method == nameof(IBlobStore.TryCreateAsync) && name.StartsWith("dead-letters/", StringComparison.Ordinal) && ++kept == 50)
            {
                all.SetResult();
            }

            return Task.CompletedTask;
        };
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);

        var consuming = world.NewProcess().Core.CreateConsumer(queue).RunAsync(stop.Token);
        await all.Task.WaitAsync(Cancellation);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => consuming);
        Assert.Equal((3, 30), (listings, leftAtRun));
    }

    [Fact(Timeout = 180_000)]
    public async Task One_whose_reader_dies_before_it_completes_it_is_kept_once()
    {
        await using var world = new World();
        var poison = new InMemoryRequestQueue("oz-requests-poison", world.Clock);
        var queue = new InMemoryRequestQueue("oz-requests", world.Clock) { GivenUp = poison };
        await poison.SendAsync("""{"prompt":"x"}"""u8.ToArray(), Cancellation);
        var dying = world.NewProcess();
        world.Store.After = (method, name) =>
        {
            if (name.StartsWith("dead-letters/", StringComparison.Ordinal))
            {
                dying.Kill();
            }

            return Task.CompletedTask;
        };
        _ = dying.Core.CreateConsumer(new Testing.Faults.FaultyRequestQueue(queue, dying)).BuryGivenUpAsync(Cancellation);
        await dying.Killed.WaitAsync(Cancellation);
        Assert.Equal(1, poison.Count);
        world.Store.After = null;

        // It is visible again a minute later.
        world.Clock.Shift(TimeSpan.FromMinutes(2));
        var core = world.NewProcess().Core;
        await core.CreateConsumer(queue).BuryGivenUpAsync(Cancellation);

        Assert.Equal("delivered_too_often", Assert.Single(await core.DeadLetters.ListAsync(Cancellation).ToListAsync(Cancellation)).Reason);
        Assert.Equal(0, poison.Count);
    }
}
