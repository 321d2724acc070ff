using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>
/// One process of a test: its own Core over the shared store. A kill takes effect at once and for good: every port call from then on hangs, its locks
/// go free, and nothing of it changes anything any more, which is what kill -9 leaves.
/// </summary>
internal sealed class SimulatedProcess : IProtocolProbe
{
    private readonly World _world;
    private readonly ProtocolStep? _killAfter;
    private readonly ProtocolStep? _pauseAfter;
    private readonly TaskCompletionSource _killed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _paused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _resumed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="publishers">Beside the queue; null: those of the world.</param>
    public SimulatedProcess(World world, ProtocolStep? killAfter, ProtocolStep? pauseAfter = null, IReadOnlyList<IEventPublisher>? publishers = null)
    {
        _world = world;
        _killAfter = killAfter;
        _pauseAfter = pauseAfter;
        var ports = new OzPorts
        {
            StoreId = "test",
            Blobs = new KillableBlobStore(this, world),
            Bell = new KillableBell(this, world),
            HostLock = new KillableHostLock(this, world),
            Publishers = [new KillablePublisher(this, world), .. (publishers ?? world.Publishers).Select(publisher => new KillableForeign(this, publisher))],
            Time = world.Clock,
            Probe = this,
        };
        Core = new(ports, new() { Tick = new() { Lease = World.Lease } }, NullLoggerFactory.Instance);
    }

    public OzCore Core { get; }

    public bool IsKilled => _killed.Task.IsCompleted;

    /// <summary>Completes when the process was killed.</summary>
    public Task Killed => _killed.Task;

    /// <summary>Steps this process passed, in order.</summary>
    public List<ProtocolStep> Steps { get; } = [];

    public WorkerHost CreateHost(SimulatedMachine machine, int slots = 4) => Core.CreateHost(
        new()
        {
            WorkerId = "local",
            Machine = machine.Name,
            Version = "test",
            Slots = slots,
            Lease = World.Lease,
            HeartbeatEvery = TimeSpan.FromMilliseconds(50),
            AdoptEvery = TimeSpan.FromMilliseconds(50),
            TickEvery = TimeSpan.FromMilliseconds(50),
            ListEvery = TimeSpan.FromMilliseconds(50),
        },
        new SimulatedBackend(this, machine),
        requests: null);

    public void Kill()
    {
        _world.Release(this);
        _killed.TrySetResult();
    }

    /// <summary>Completes when the process was stopped where it was to be (SIGSTOP): its port calls wait until <see cref="Resume"/>, its locks stay held.</summary>
    public Task Paused => _paused.Task;

    public void Resume() => _resumed.TrySetResult();

    /// <summary>Every port call goes through here first.</summary>
    public Task AliveAsync() => IsKilled ? new TaskCompletionSource().Task : _paused.Task.IsCompleted ? _resumed.Task : Task.CompletedTask;

    public void Passed(ProtocolStep step, RunId runId)
    {
        lock (Steps)
        {
            Steps.Add(step);
        }

        if (step == _killAfter)
        {
            Kill();
        }

        if (step == _pauseAfter)
        {
            _paused.TrySetResult();
        }
    }
}

internal sealed class KillableBlobStore(SimulatedProcess process, World world) : IBlobStore
{
    private readonly IBlobStore _inner = world.Blobs;

    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) => Read(() => _inner.FindAsync(name, cancellationToken));

    public Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) => Read(() => _inner.FindChangeAsync(name, known, cancellationToken));

    public Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) => Read(() => _inner.FindEntryAsync(name, cancellationToken));

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Write(() => _inner.TryCreateAsync(name, content, metadata, cancellationToken), () => null);

    public Task<ETag?> TryReplaceAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        Write(() => _inner.TryReplaceAsync(name, content, metadata, match, cancellationToken), () => null);

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => Write(() => _inner.PutAsync(name, content, cancellationToken));

    public Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        Write(() => _inner.TryAppendAsync(name, offset, content, cancellationToken), () => false);

    public Task FlushAsync(string name, CancellationToken cancellationToken) => _inner.FlushAsync(name, cancellationToken);

    public Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken) => Read(() => _inner.OpenReadAsync(name, offset, count, cancellationToken));

    public Task<BlobEntry> UploadAsync(string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        Write(() => _inner.UploadAsync(name, content, contentType, metadata, cancellationToken));

    public Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken) =>
        Read(() => _inner.ListAsync(prefix, continuation, most, cancellationToken));

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) => Write(() => _inner.TryDeleteAsync(name, match, cancellationToken), match is null ? null : () => false);

    public Uri GetAddress(string name) => _inner.GetAddress(name);

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => _inner.FindReadLinkAsync(name, lifetime, cancellationToken);

    private async Task<T> Read<T>(Func<Task<T>> call)
    {
        await process.AliveAsync();
        return await call();
    }

    private async Task<T> Write<T>(Func<Task<T>> call, Func<T>? refused = null)
    {
        await process.AliveAsync();
        if (world.TakeOutage() is { } outage)
        {
            throw outage;
        }

        var answer = await call();
        world.Pulse();

        // What the Azure SDK makes of a lost answer: it repeats the call and reports our own success as a refusal.
        return world.TakeLostAnswer() && refused is not null ? refused() : answer;
    }
}

internal sealed class KillableBell(SimulatedProcess process, World world) : IBell
{
    public async Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken)
    {
        await process.AliveAsync();
        await world.Bell.RingAsync(workerId, runId, cancellationToken);
    }

    public IBellListener Listen(string workerId) => world.BellIsBroken ? throw new IOException("no watches left") : world.Bell.Listen(workerId);
}

internal sealed class KillableHostLock(SimulatedProcess process, World world) : IHostLock
{
    public IHeldHostLock Hold(string hostId) => world.HoldLock(process, hostId);

    public HostLockState? Find(string hostId) => world.FindLock(hostId);

    public void Forget(string hostId)
    {
    }
}

internal sealed class KillablePublisher(SimulatedProcess process, World world) : IEventPublisher
{
    public string Name => "oz-events";

    public async Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        await process.AliveAsync();
        world.Published(runEvent);
    }
}

/// <summary>A publisher on foreign ground, called by a process that may be killed.</summary>
internal sealed class KillableForeign(SimulatedProcess process, IEventPublisher inner) : IEventPublisher
{
    public string Name => inner.Name;

    public IReadOnlyList<RunEventKind> Kinds => inner.Kinds;

    public bool IsPrompt => inner.IsPrompt;

    public RetryPlan Retries => inner.Retries;

    public async Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        await process.AliveAsync();
        await inner.PublishAsync(runEvent, cancellationToken);
    }
}
