using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Hosts;
using OzFunctions.Runs;
using OzFunctions.Testing;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>A store that neither answers nor refuses, under <c>ozf exec</c>.</summary>
public sealed class HangingStoreTests
{
    private const int Limit = 180_000;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public Task A_caller_whose_agent_has_ended_is_let_go_by_a_store_that_hangs() => IsLetGoAsync(host => host.NoteAgentEnded(), started: true);

    [Fact(Timeout = Limit)]
    public Task A_caller_whose_backend_is_done_without_a_word_of_the_agent_is_let_go() => IsLetGoAsync(host => host.Stop(), started: true);

    [Fact(Timeout = Limit)]
    public Task A_caller_who_stops_before_the_start_is_let_go() => IsLetGoAsync(host => host.Stop(), started: false);

    [Theory(Timeout = Limit)]
    [InlineData("hosts/", false)]
    [InlineData("hosts/", true)]
    [InlineData("ready/", false)]
    [InlineData("runs/", false)]
    public async Task A_host_that_detaches_is_let_go_within_five_seconds(string hanging, bool started)
    {
        HangingStore? store = null;
        await using var world = new World(clock => store = new HangingStore(new InMemoryBlobStore(clock)));
        var clock = new ManualTimeProvider();
        var run = (await world.NewProcess().Core.Intake.SubmitAsync(World.Ask(AgentPlan.UntilStopped), Cancellation)).Run.RunId;
        store!.Hangs = !started;
        store.Hanging = hanging;
        var host = world.StartHost(world.NewProcess(clock), world.NewMachine());
        if (started)
        {
            await world.UntilAsync(run, record => record.State == RunState.InProgress, Cancellation);
            store.Hangs = true;
            host.Detach();
        }

        await store.Hung.WaitAsync(Cancellation);
        host.Detach();
        clock.Advance(TimeSpan.FromSeconds(5));

        await world.RunningOf(host).WaitAsync(TimeSpan.FromSeconds(60), Cancellation);
    }

    private static async Task IsLetGoAsync(Action<UnmanagedHost> end, bool started)
    {
        HangingStore? store = null;
        await using var world = new World(clock => store = new HangingStore(new InMemoryBlobStore(clock)));
        var clock = new ManualTimeProvider();
        var process = world.NewProcess(clock);
        var backend = new SimulatedBackend(process, world.NewMachine());
        var host = process.Core.CreateUnmanaged(new WorkerOptions { WorkerId = "local", Machine = "m1", Version = "test", Lease = World.Lease }, backend, backend);
        var directory = backend.CreateDirectory(new() { Store = process.Core.Ports.StoreId, RunId = RunId.Create(clock), Attempt = 1 });
        var run = await host.BeginAsync(World.Ask(AgentPlan.UntilStopped), directory, Cancellation);
        store!.Hangs = !started;
        var running = host.RunAsync(Cancellation);
        if (started)
        {
            await world.UntilAsync(run.RunId, record => record.State == RunState.InProgress, Cancellation);
            store.Hangs = true;
        }
        else
        {
            await store.Hung.WaitAsync(Cancellation);
        }

        end(host);
        while (!running.IsCompleted)
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(running, Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Cancellation));
        }

        Assert.Null(await running);
        Assert.Equal(started ? RunState.InProgress : RunState.Claimed, (await world.FindAsync(run.RunId))!.State);
    }

    private sealed class HangingStore(IBlobStore inner) : WrappedBlobStore(inner)
    {
        private readonly TaskCompletionSource _hung = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool Hangs { get; set; }

        /// <summary>Whose writes hang, in any way.</summary>
        public string Hanging { get; set; } = "";

        /// <summary>Done when somebody waits in vain.</summary>
        public Task Hung => _hung.Task;

        public override async Task<ETag?> TryReplaceAsync(
            string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken)
        {
            await HangAsync(name, cancellationToken);
            return await Inner.TryReplaceAsync(name, content, metadata, match, cancellationToken);
        }

        public override async Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
        {
            await HangAsync(name, cancellationToken);
            return await Inner.TryCreateAsync(name, content, metadata, cancellationToken);
        }

        public override async Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken)
        {
            await HangAsync(name, cancellationToken);
            return await Inner.TryDeleteAsync(name, match, cancellationToken);
        }

        private async Task HangAsync(string name, CancellationToken cancellationToken)
        {
            if (Hangs && name.StartsWith(Hanging, StringComparison.Ordinal))
            {
                _hung.TrySetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }
        }
    }
}
