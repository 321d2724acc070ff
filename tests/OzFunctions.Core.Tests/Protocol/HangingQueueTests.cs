using System.Collections.Concurrent;
using OzFunctions.Core.Tests.Schedules;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Events;
using OzFunctions.Runs;
using OzFunctions.Schedules;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>The queue of the events takes calls and never answers, while the store of the runs answers all the time (issue 4).</summary>
public sealed class HangingQueueTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task However_many_events_are_owed_to_it_schedules_keep_their_times_and_all_are_sent_when_it_is_back()
    {
        var scene = new ScheduleScene();
        var owing = scene.NewProcess(new CoreOptions(), scene.Clock, new Queue { IsElsewhere = true });
        var runs = new List<RunId>();
        for (var i = 0; i < 10; i++)
        {
            runs.Add((await owing.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId);
            await owing.Cancels.CancelAsync(runs[^1], "ann", null, Cancellation);
        }

        await scene.CreateAsync(ScheduleScene.Every("* * * * *") with { Overlap = ScheduleOverlap.Allow });
        var queue = new Queue { Hangs = true };
        var process = scene.NewProcess(new CoreOptions(), scene.Clock, queue);
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        var began = scene.Clock.GetUtcNow();

        await PassAsync(process.Tick.TickAsync(Cancellation), scene.Clock);

        Assert.Equal(TimeSpan.FromSeconds(15), scene.Clock.GetUtcNow() - began);
        Assert.Single(queue.Tries);

        var (records, reads) = (runs.Select(RunBlobs.Record).ToHashSet(), 0);
        scene.Store.Before = (method, name) =>
        {
            reads += method == "FindAsync" && records.Contains(name) ? 1 : 0;
            return Task.CompletedTask;
        };
        while (scene.Clock.GetUtcNow() < began + TimeSpan.FromMinutes(5))
        {
            scene.Clock.Advance(TimeSpan.FromSeconds(10));
            await PassAsync(process.Tick.TickAsync(Cancellation), scene.Clock);
        }

        Assert.InRange(queue.Tries.Count, 2, 6);
        Assert.InRange(reads, 1, queue.Tries.Count);
        Assert.Equal(["12:02", "12:03", "12:04", "12:05", "12:06", "12:07"], (await scene.StartedAsync()).Where(time => time != "now"));

        queue.Hangs = false;
        scene.Clock.Advance(TimeSpan.FromMinutes(10));
        await process.Tick.TickAsync(Cancellation);

        Assert.Equal(runs.Select(run => $"{run}:0:completed").Order(), queue.Taken.Order());
        Assert.DoesNotContain(runs, run => scene.Store.Names.Contains(RunBlobs.Active(run)));
    }

    [Fact(Timeout = Limit)]
    public async Task A_slot_is_free_again_before_the_event_of_its_run_is_taken()
    {
        var clock = new ManualTimeProvider();
        var queue = new Queue { Hangs = true };
        await using var world = new World();
        var process = new SimulatedProcess(world, killAfter: null, publishers: [queue], time: clock);
        var (first, second) = (await SubmitAsync(process), await SubmitAsync(process));

        // The clock stands still: nobody's patience with the queue comes to its end.
        world.StartHost(process, world.NewMachine(), slots: 1);
        await world.UntilAsync(first, record => record.State == RunState.Succeeded, Cancellation);
        await world.UntilAsync(second, record => record.State == RunState.Succeeded, Cancellation);

        Assert.Empty(queue.Taken);
        queue.Hangs = false;
        await world.UntilSettledAsync(first, Cancellation);
        await world.UntilSettledAsync(second, Cancellation);
        Assert.Equal(new[] { $"{first}:1:completed", $"{second}:1:completed" }.Order(), queue.Taken.Order());
    }

    [Fact(Timeout = Limit)]
    public async Task An_event_that_is_best_effort_is_not_waited_for_while_it_is_known_to_hang()
    {
        var scene = new ScheduleScene();
        var queue = new Queue { Hangs = true, Kinds = RunEventKinds.All };
        var process = scene.NewProcess(new CoreOptions(), scene.Clock, queue);
        var submitting = process.Intake.SubmitAsync(World.Ask(), Cancellation);
        await PassAsync(submitting, scene.Clock);
        await PassAsync(process.Cancels.CancelAsync((await submitting).Run.RunId, "ann", null, Cancellation), scene.Clock);

        // The clock stands still from here on.
        var next = (await process.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;

        Assert.DoesNotContain($"{next}:0:queued", queue.Tries);
    }

    [Fact(Timeout = Limit)]
    public async Task Events_that_are_best_effort_hold_up_the_times_of_schedules_once_a_minute_not_once_a_run()
    {
        var scene = new ScheduleScene();
        for (var i = 0; i < 10; i++)
        {
            await scene.Process.Schedules.CreateAsync($"s{i}", ScheduleScene.Every("* * * * *"), paused: false, "ann", Cancellation);
        }

        var queue = new Queue { Hangs = true, Kinds = RunEventKinds.All };
        var process = scene.NewProcess(new CoreOptions(), scene.Clock, queue);
        scene.Clock.Advance(TimeSpan.FromMinutes(1));
        var began = scene.Clock.GetUtcNow();

        await PassAsync(process.Tick.TickAsync(Cancellation), scene.Clock);

        Assert.Equal(TimeSpan.FromSeconds(3), scene.Clock.GetUtcNow() - began);
        Assert.Single(queue.Tries);
        Assert.Equal(10, (await scene.RunsAsync()).Count);
    }

    [Fact(Timeout = Limit)]
    public async Task An_event_that_is_owed_waits_longer_than_one_that_is_best_effort_and_is_not_put_off_with_it()
    {
        var scene = new ScheduleScene();
        var queue = new Queue { Hangs = true, Kinds = RunEventKinds.All };
        var process = scene.NewProcess(new CoreOptions(), scene.Clock, queue);
        var submitting = process.Intake.SubmitAsync(World.Ask(), Cancellation);
        await PassAsync(submitting, scene.Clock);
        var run = (await submitting).Run.RunId;
        queue.Hangs = false;

        await process.Cancels.CancelAsync(run, "ann", null, Cancellation);

        Assert.Equal([$"{run}:0:completed"], queue.Taken);
    }

    private static async Task<RunId> SubmitAsync(SimulatedProcess process) => (await process.Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;

    /// <summary>Moves the clock on whenever the work waits for it.</summary>
    private static async Task PassAsync(Task work, ManualTimeProvider clock)
    {
        while (!work.IsCompleted)
        {
            await Task.WhenAny(work, clock.TimerArmedAsync(1, Cancellation));
            if (!work.IsCompleted)
            {
                clock.Advance(TimeSpan.FromSeconds(1));
            }
        }

        await work;
    }

    /// <summary>One of the store's own, as <c>oz-events</c> is.</summary>
    private sealed class Queue : IEventPublisher
    {
        private TaskCompletionSource _answers = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Queue() => _answers.SetResult();

        public string Name => "queue";

        public IReadOnlyList<RunEventKind> Kinds { get; init; } = [RunEventKind.Completed];

        public bool IsElsewhere { get; init; }

        /// <summary>Set back, also those who wait are answered.</summary>
        public bool Hangs
        {
            set
            {
                if (value)
                {
                    _answers = new(TaskCreationOptions.RunContinuationsAsynchronously);
                }
                else
                {
                    _answers.TrySetResult();
                }
            }
        }

        public ConcurrentQueue<string> Tries { get; } = new();

        public ConcurrentQueue<string> Taken { get; } = new();

        public async Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
        {
            Tries.Enqueue(runEvent.Id);
            await _answers.Task.WaitAsync(cancellationToken);
            Taken.Enqueue(runEvent.Id);
        }
    }
}
