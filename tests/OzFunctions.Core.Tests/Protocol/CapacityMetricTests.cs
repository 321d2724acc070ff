using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Dispatch;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary><c>oz_worker_tasks_rejected_total{reason="at_capacity"}</c> (facts F1.5).</summary>
public sealed class CapacityMetricTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task A_full_host_counts_each_run_that_it_leaves_waiting_once()
    {
        await using var world = new World();
        var process = world.NewProcess();
        using var rejected = new Rejections(process.Core.Metrics.Meter);
        process.Core.Metrics.Prime();
        world.StartHost(process, world.NewMachine(), slots: 1);
        var running = (await process.Core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(running, record => record.State == RunState.InProgress, Cancellation);

        var first = (await process.Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await world.UntilAsync(() => Task.FromResult(rejected.AtCapacity == 1), Cancellation);
        var second = (await process.Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await world.UntilAsync(() => Task.FromResult(rejected.AtCapacity == 2), Cancellation);
        await process.Core.Cancels.CancelAsync(running, "ann", null, Cancellation);
        await world.UntilSettledAsync(first, Cancellation);
        await world.UntilSettledAsync(second, Cancellation);

        // Each was listed more than once while it waited, the second also behind the first.
        Assert.Equal(2, rejected.AtCapacity);
    }

    [Fact(Timeout = Limit)]
    public async Task A_run_whose_entry_was_listed_and_outlives_its_claim_and_its_end_is_not_counted_again()
    {
        await using var world = new World();
        var process = world.NewProcess();
        using var rejected = new Rejections(process.Core.Metrics.Meter);
        process.Core.Metrics.Prime();
        var host = world.StartHost(process, world.NewMachine(), slots: 1);
        var running = (await process.Core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(running, record => record.State == RunState.InProgress, Cancellation);
        var first = (await process.Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        world.Clock.Shift(TimeSpan.FromSeconds(1));
        var second = (await process.Core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(() => Task.FromResult(rejected.AtCapacity == 2), Cancellation);

        // One look sees the first both claimed and in the index; the next one is held up between its listing and its count.
        TaskCompletionSource Signal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
        var (claimed, mayUnlist, listed, mayCount, counted, looks) = (Signal(), Signal(), Signal(), Signal(), Signal(), 0);
        world.Store.Before = async (method, name) =>
        {
            if (method == nameof(IBlobStore.TryDeleteAsync) && name.StartsWith(ReadyEntry.Prefix, StringComparison.Ordinal) && name.Contains(first.Value, StringComparison.Ordinal))
            {
                claimed.TrySetResult();
                await mayUnlist.Task;
            }
            else if (method == nameof(IBlobStore.ListAsync) && name == "dead-letters/" && claimed.Task.IsCompleted && host.RunningCount == 1)
            {
                switch (++looks)
                {
                    case 2:
                        listed.SetResult();
                        await mayCount.Task;
                        break;
                    case 3:
                        counted.SetResult();
                        break;
                }
            }
        };
        await process.Core.Cancels.CancelAsync(running, "ann", null, Cancellation);
        await listed.Task.WaitAsync(Cancellation);
        mayUnlist.SetResult();
        await world.UntilAsync(second, record => record.State == RunState.InProgress, Cancellation);
        mayCount.SetResult();
        await counted.Task.WaitAsync(Cancellation);

        Assert.Equal(2, rejected.AtCapacity);
    }

    /// <summary>Of a flood of waiting runs each listing is many calls, and a full host has nothing to look for.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_full_host_lists_what_waits_only_to_measure()
    {
        // Nothing is measured, or looked for without a reason, for as long as this takes.
        await using var world = new World { Often = TimeSpan.FromHours(1) };
        var process = world.NewProcess();
        process.Core.Metrics.Prime();
        var host = world.StartHost(process, world.NewMachine(), slots: 1);
        var listings = 0;
        world.Store.Before = (method, name) =>
        {
            listings += method == nameof(IBlobStore.ListAsync) && name == ReadyEntry.PrefixOf("local") && host.RunningCount > 0 ? 1 : 0;
            return Task.CompletedTask;
        };
        var running = (await process.Core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        await world.UntilAsync(running, record => record.State == RunState.InProgress, Cancellation);

        var waiting = (await process.Core.Intake.SubmitAsync(World.Ask(), Cancellation)).Run.RunId;
        await process.Core.Cancels.CancelAsync(running, "ann", null, Cancellation);
        await world.UntilSettledAsync(waiting, Cancellation);

        Assert.Equal(0, listings);
    }

    private sealed class Rejections : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentDictionary<string, long> _counts = new();

        public Rejections(Meter meter)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter == meter && instrument.Name == "oz_worker_tasks_rejected_total")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
            {
                foreach (var (_, reason) in tags)
                {
                    _counts.AddOrUpdate((string)reason!, value, (_, before) => before + value);
                }
            });
            _listener.Start();
        }

        public long AtCapacity => _counts.GetValueOrDefault("at_capacity");

        public void Dispose() => _listener.Dispose();
    }
}
