using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Backends;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Protocol;
using OzFunctions.Queues;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>
/// One process of a test: its own Core over the shared store. A kill takes effect at once and for good: every port call from then on hangs, its locks
/// go free, and nothing of it changes anything any more, which is what kill -9 leaves.
/// </summary>
internal sealed class SimulatedProcess : IProtocolProbe, IPortFaults
{
    private readonly World _world;
    private readonly TimeProvider _time;
    private int _beats;
    private int _ticks;
    private readonly bool _quick;
    private volatile bool _dead;
    private int _onTheWay;
    private readonly ProtocolStep? _killAfter;
    private readonly ProtocolStep? _pauseAfter;
    private readonly List<ProtocolStep> _steps = [];
    private readonly TaskCompletionSource _killed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _paused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _resumed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="publishers">Beside the queue; null: those of the world.</param>
    public SimulatedProcess(World world, ProtocolStep? killAfter, ProtocolStep? pauseAfter = null, IReadOnlyList<IEventPublisher>? publishers = null, TimeProvider? time = null, ILoggerFactory? loggers = null)
    {
        _world = world;
        _time = time ?? world.Clock;
        _killAfter = killAfter;
        _pauseAfter = pauseAfter;
        var ports = new OzPorts
        {
            StoreId = "test",
            Blobs = new FaultyBlobStore(world.Blobs, this),
            Bell = new FaultyBell(world.BellDecorator?.Invoke(new BreakableBell(world)) ?? new BreakableBell(world), this),
            HostLock = new KillableHostLock(this, world),
            Publishers = [.. ((IReadOnlyList<IEventPublisher>)[new WorldPublisher(world), .. publishers ?? world.Publishers]).Select(publisher => new FaultyPublisher(publisher, this))],
            Time = _time,
            Probe = this,
        };
        _quick = time is not ManualTimeProvider;
        Core = new(ports, new() { Tick = new() { Lease = World.Lease } }, loggers ?? NullLoggerFactory.Instance);
    }

    public OzCore Core { get; }

    public World World => _world;

    /// <summary>Cut off from the store, this process alone.</summary>
    public bool IsCutOff { get; set; }

    /// <summary>What becomes of this process' calls; null: they are made.</summary>
    public IPortFaults? Faults { get; set; }

    /// <summary>Told of the protocol's steps too; null: nobody.</summary>
    public IProtocolProbe? Probe { get; set; }

    /// <summary>Its threads run on until their next call, as the test's own; what they would do to the machine is checked against this under the directory's lock.</summary>
    public bool IsKilled => _dead;

    /// <summary>Heartbeats that the store took.</summary>
    public int Beats => Volatile.Read(ref _beats);

    /// <summary>Ticks that have begun.</summary>
    public int Ticks => Volatile.Read(ref _ticks);

    /// <summary>Completes when the process was killed.</summary>
    public Task Killed => _killed.Task;

    /// <summary>Completes when no call is on its way to the store: one that a process had sent when it was killed is answered all the same.</summary>
    public async Task NothingOnTheWayAsync()
    {
        while (Volatile.Read(ref _onTheWay) > 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
    }

    /// <summary>Steps this process passed so far, in order.</summary>
    public IReadOnlyList<ProtocolStep> Steps
    {
        get
        {
            lock (_steps)
            {
                return [.. _steps];
            }
        }
    }

    /// <summary>A host in a hurry; on a clock that a test moves by hand it keeps the product's own times.</summary>
    public WorkerHost CreateHost(SimulatedMachine machine, int slots = 4, IRequestQueue? requests = null, string workerId = "local")
    {
        var options = new WorkerOptions { WorkerId = workerId, Machine = machine.Name, Version = "test", Slots = slots, Lease = Simulation.World.Lease, RoomPerKey = _world.RoomPerKey, SharedKey = _world.SharedKey };
        var often = _world.Often;
        return Core.CreateHost(
            _quick ? options with { HeartbeatEvery = often, AdoptEvery = often, TickEvery = often, ListEvery = often } : options,
            new SimulatedBackend(this, machine),
            requests);
    }

    public void Kill()
    {
        _dead = true;
        _world.Release(this);
        _killed.TrySetResult();
    }

    /// <summary>Completes when the process was stopped where it was to be (SIGSTOP): its port calls wait until <see cref="Resume"/>, its locks stay held.</summary>
    public Task Paused => _paused.Task;

    public void Resume() => _resumed.TrySetResult();

    /// <summary>Every port call goes through here first.</summary>
    public Task AliveAsync() => IsKilled ? new TaskCompletionSource().Task : _paused.Task.IsCompleted ? _resumed.Task : Task.CompletedTask;

    /// <summary>A killed process makes no calls; a store that is away answers none; an answer may be lost.</summary>
    public async Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused)
    {
        await AliveAsync();
        _world.Count(call);
        if (call is { Port: "blobs", Method: "ListAsync", Name: RunBlobs.ActivePrefix })
        {
            Interlocked.Increment(ref _ticks);
        }

        if (IsCutOff)
        {
            throw new BlobStoreException("cut off", isTransient: true, null);
        }

        if (call.Port == "blobs" && (_world.Outage?.Invoke(call) ?? (call.Writes ? _world.TakeOutage() : null)) is { } outage)
        {
            if (_world.DropsAnswers)
            {
                await SendAsync(call, make);
            }

            if (!await IsBackInTimeAsync(call))
            {
                throw outage;
            }
        }

        var answer = Faults is null ? await SendAsync(call, make) : await Faults.CallAsync(call, () => SendAsync(call, make), refused);
        if (!call.Writes || call.Port != "blobs")
        {
            return answer;
        }

        if (answer is not null && Simulation.World.IsHeartbeat(call))
        {
            Interlocked.Increment(ref _beats);
        }

        _world.Pulse();

        // What the Azure SDK makes of a lost answer: it repeats the call and reports our own success as a refusal.
        return _world.TakeLostAnswer() && refused is not null ? refused() : answer;
    }

    /// <summary>As a client does: it tries again until the call's time is over, and a store that is back meanwhile is asked once more.</summary>
    private async Task<bool> IsBackInTimeAsync(PortCall call)
    {
        if (_world.OutageTakes is not { } takes)
        {
            return false;
        }

        for (var waited = TimeSpan.Zero; waited < takes.Call; waited += takes.Try)
        {
            await Task.Delay(takes.Call - waited < takes.Try ? takes.Call - waited : takes.Try, _time);
            await AliveAsync();
            if (_world.Outage?.Invoke(call) is null)
            {
                return true;
            }
        }

        return false;
    }

    private async Task<T> SendAsync<T>(PortCall call, Func<Task<T>> make)
    {
        if (call.Port != "blobs")
        {
            return await make();
        }

        Interlocked.Increment(ref _onTheWay);
        try
        {
            return await make();
        }
        finally
        {
            Interlocked.Decrement(ref _onTheWay);
        }
    }

    public void Passed(ProtocolStep step, RunId runId)
    {
        Probe?.Passed(step, runId);
        lock (_steps)
        {
            _steps.Add(step);
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

internal sealed class KillableHostLock(SimulatedProcess process, World world) : IHostLock
{
    public IHeldHostLock Hold(string hostId) => world.HoldLock(process, hostId);

    public HostLockState? Find(string hostId) => world.FindLock(hostId);

    public void Forget(string hostId)
    {
    }
}

/// <summary>The queue of events that every reader of a test sees.</summary>
internal sealed class WorldPublisher(World world) : IEventPublisher
{
    public string Name => "oz-events";

    public Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        world.Published(runEvent);
        return Task.CompletedTask;
    }
}

internal sealed class BreakableBell(World world) : IBell
{
    public Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken) => world.Bell.RingAsync(workerId, runId, cancellationToken);

    public IBellListener Listen(string workerId) => world.BellIsBroken ? throw new IOException("no watches left") : world.Bell.Listen(workerId);
}
