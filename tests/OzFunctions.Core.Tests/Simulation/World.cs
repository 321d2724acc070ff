using System.Collections.Concurrent;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Hosts;
using OzFunctions.Intake;
using OzFunctions.Protocol;
using OzFunctions.Queues;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>Everything that processes of a test share: store, clock, machines, what was published. Ends every host it started.</summary>
internal sealed class World : IAsyncDisposable
{
    public static readonly TimeSpan Lease = TimeSpan.FromMinutes(10);

    private const int MostTries = 20;

    private readonly ConcurrentDictionary<string, SimulatedProcess> _locks = new();
    private readonly List<(WorkerHost Host, SimulatedProcess Process, Task Running)> _hosts = [];
    private readonly List<SimulatedMachine> _machines = [];
    private readonly List<SimulatedProcess> _paused = [];
    private TaskCompletionSource _pulse = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _lostAnswer;
    private int _outageFirst;
    private int _outageLast;
    private int _written;
    private int _failedSendings;
    private int _calls;
    private readonly List<AwaitedCalls> _awaited = [];
    private readonly InMemoryBlobStore? _memory;

    /// <param name="store">Makes the store on the world's clock, which is the store's own; null: in memory.</param>
    /// <param name="bell">Null: in memory.</param>
    public World(Func<ShiftedTimeProvider, IBlobStore>? store = null, IBell? bell = null)
    {
        Bell = bell ?? new InMemoryBell(Clock);
        Blobs = new RecordHistory(store is null ? _memory = new InMemoryBlobStore(Clock) : store(Clock), this);
    }

    public ShiftedTimeProvider Clock { get; } = new();

    public IBlobStore Blobs { get; }

    /// <summary>The store in memory, with its hooks before and after each call.</summary>
    public InMemoryBlobStore Store => _memory ?? throw new InvalidOperationException("This world's store is another one.");

    /// <summary>How often hosts beat, tick, list and adopt. A store beyond a network is not to be called twenty times a second by everybody.</summary>
    public TimeSpan Often { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Live attempts that hosts let one concurrency key have.</summary>
    public int RoomPerKey { get; init; } = 1;

    /// <summary>Concurrency key that hosts give runs without one.</summary>
    public string? SharedKey { get; set; }

    /// <summary>Every version of every record, in the order they were written.</summary>
    public ConcurrentQueue<RunRecord> Versions { get; } = new();

    /// <summary>What the store answers instead of doing what it is asked; null: nothing.</summary>
    public Func<PortCall, Exception?>? Outage { get; set; }

    /// <summary>How long a call waits for a store that is away, by its process' clock, and how long each of its tries does; null: it fails at once.</summary>
    public (TimeSpan Call, TimeSpan Try)? OutageTakes { get; set; }

    /// <summary>While the store is away it does what it is asked all the same; only its answers are lost.</summary>
    public bool DropsAnswers { get; set; }

    /// <summary>Calls of all processes so far.</summary>
    public int Calls => Volatile.Read(ref _calls);

    /// <summary>When those agents end that wait to be told (<see cref="AgentPlan.UntilTold"/>).</summary>
    public TaskCompletionSource AgentsEnd { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Every agent that was executed leaves a log and an artifact, not only those that wait to be told.</summary>
    public bool AgentsLeaveFiles { get; init; }

    public IReadOnlyList<SimulatedMachine> Machines => _machines;

    public IBell Bell { get; }

    public ConcurrentQueue<RunEvent> Events { get; } = new();

    /// <summary>Whether hosts share a machine's file locks (plain files) or only the store (Azure).</summary>
    public bool SharedLocks { get; init; } = true;

    /// <summary>Publishers that every process has beside the queue.</summary>
    public IReadOnlyList<IEventPublisher> Publishers { get; init; } = [];

    /// <summary>What stands between rings and those who listen; null: nothing.</summary>
    public Func<IBell, IBell>? BellDecorator { get; init; }

    /// <summary>Nobody can listen to the bell.</summary>
    public bool BellIsBroken { get; init; }

    public static AgentPlan PlanOf(RunRecord record) => Enum.TryParse<AgentPlan>(record.Request.Prompt, out var plan) ? plan : AgentPlan.Succeeds;

    public static RunSubmission Ask(AgentPlan plan = AgentPlan.Succeeds, string? key = null) => new()
    {
        Request = new() { Prompt = plan.ToString() },
        Trigger = new() { Kind = TriggerKind.Cli },
        Key = IntakeKeys.Cli(key),
    };

    public SimulatedMachine NewMachine(string name = "m1") => Add(new SimulatedMachine(name));

    public SimulatedMachine Add(SimulatedMachine machine)
    {
        lock (_machines)
        {
            _machines.Add(machine);
        }

        return machine;
    }

    public SimulatedProcess NewProcess(ProtocolStep? killAfter) => new(this, killAfter);

    public SimulatedProcess NewProcess() => new(this, killAfter: null);

    /// <summary>A process with a configuration of its own.</summary>
    public SimulatedProcess NewProcess(params IReadOnlyList<IEventPublisher> publishers) => new(this, killAfter: null, publishers: publishers);

    /// <summary>A process whose clock differs from the store's.</summary>
    public SimulatedProcess NewProcess(TimeProvider time) => new(this, killAfter: null, time: time);

    public SimulatedProcess NewPausedProcess(ProtocolStep pauseAfter)
    {
        var process = new SimulatedProcess(this, killAfter: null, pauseAfter);
        _paused.Add(process);
        return process;
    }

    public WorkerHost StartHost(SimulatedMachine machine, ProtocolStep? killAfter = null, int slots = 4) => StartHost(NewProcess(killAfter), machine, slots);

    public WorkerHost StartHost(SimulatedProcess process, SimulatedMachine machine, int slots = 4, IRequestQueue? requests = null, string workerId = "local")
    {
        var host = process.CreateHost(machine, slots, requests, workerId);
        _hosts.Add((host, process, Task.Run(() => host.RunAsync(CancellationToken.None))));
        return host;
    }

    /// <summary>Of hosts that have neither ended nor been killed.</summary>
    public IReadOnlyList<SimulatedProcess> LivingHosts => [.. _hosts.Where(known => !known.Running.IsCompleted && !known.Process.IsKilled).Select(known => known.Process)];

    public Task RunningOf(WorkerHost host) => _hosts.Single(known => known.Host == host).Running;

    /// <summary>The answer of the n-th write from now on is lost: done, and reported as refused.</summary>
    public void LoseAnswerOf(int write) => Volatile.Write(ref _lostAnswer, write);

    public bool TakeLostAnswer() => Volatile.Read(ref _lostAnswer) > 0 && Interlocked.Decrement(ref _lostAnswer) == 0;

    /// <summary>The next <paramref name="writes"/> writes find the store unreachable.</summary>
    public void BreakStore(int writes) => BreakStoreAfter(1, writes);

    /// <summary>From the <paramref name="first"/>-th write on, <paramref name="writes"/> writes find the store unreachable.</summary>
    public void BreakStoreAfter(int first, int writes)
    {
        Volatile.Write(ref _outageLast, first + writes - 1);
        Volatile.Write(ref _outageFirst, first);
        Volatile.Write(ref _written, 0);
    }

    public void Count(PortCall call)
    {
        if (call.Port == "blobs")
        {
            Interlocked.Increment(ref _calls);
        }

        lock (_awaited)
        {
            foreach (var awaited in _awaited)
            {
                awaited.Left -= awaited.IsIt(call) ? 1 : 0;
                if (awaited.Left <= 0)
                {
                    awaited.Made.TrySetResult();
                }
            }

            _awaited.RemoveAll(awaited => awaited.Left <= 0);
        }
    }

    /// <summary>Done when so many of these calls have begun from now on, whatever becomes of them.</summary>
    public Task CallsAsync(int count, Func<PortCall, bool> isIt)
    {
        var awaited = new AwaitedCalls(isIt) { Left = count };
        lock (_awaited)
        {
            _awaited.Add(awaited);
        }

        return awaited.Made.Task;
    }

    /// <summary>Whether a host writes its heartbeat by this call.</summary>
    public static bool IsHeartbeat(PortCall call) => call is { Port: "blobs", Method: "TryCreateAsync" or "TryReplaceAsync" } && call.Name.StartsWith("hosts/", StringComparison.Ordinal);

    public BlobStoreException? TakeOutage()
    {
        var write = Interlocked.Increment(ref _written);
        return write >= Volatile.Read(ref _outageFirst) && write <= Volatile.Read(ref _outageLast) ? new BlobStoreException("503", isTransient: true, null) : null;
    }

    /// <summary>The next sendings fail.</summary>
    public void FailPublishing(int times) => Volatile.Write(ref _failedSendings, times);

    /// <summary>For conditions that no write changes: looks again a little later.</summary>
    public void PulseSoon() => _ = Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System).ContinueWith(_ => Pulse(), TaskScheduler.Default);

    public void Pulse() => Interlocked.Exchange(ref _pulse, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    public void Published(RunEvent runEvent)
    {
        if (Volatile.Read(ref _failedSendings) > 0 && Interlocked.Decrement(ref _failedSendings) >= 0)
        {
            throw new IOException("the receiver is away");
        }

        Events.Enqueue(runEvent);
        Pulse();
    }

    /// <summary>Looks after every write of any process until the condition holds.</summary>
    public async Task UntilAsync(Func<Task<bool>> condition, CancellationToken cancellationToken)
    {
        while (true)
        {
            var pulse = Volatile.Read(ref _pulse).Task;
            if (await PatientlyAsync(condition, cancellationToken))
            {
                return;
            }

            await pulse.WaitAsync(cancellationToken);
        }
    }

    public async Task<RunRecord> UntilAsync(RunId runId, Func<RunRecord, bool> condition, CancellationToken cancellationToken)
    {
        RunRecord? seen = null;
        await UntilAsync(async () => (seen = await FindAsync(runId)) is not null && condition(seen), cancellationToken);
        return seen!;
    }

    /// <summary>Terminal, published, and nothing owed: no marker, no entry, no directory, no lock.</summary>
    public async Task<RunRecord> UntilSettledAsync(RunId runId, CancellationToken cancellationToken)
    {
        var record = await UntilAsync(runId, run => run.State.IsTerminal(), cancellationToken);
        await UntilAsync(
            async () => await Blobs.FindEntryAsync(RunBlobs.Active(runId), cancellationToken) is null
                && !_machines.Any(machine => !machine.Lost && machine.Directories.Values.Any(directory => directory.Intent?.RunId == runId))
                && (await NamesAsync("ready/")).All(name => !name.Contains(runId.Value, StringComparison.Ordinal)),
            cancellationToken);
        return record;
    }

    /// <summary>Whether there are runs and all of them are terminal: an end is for good.</summary>
    public bool HasEnded() => Versions.GroupBy(version => version.RunId).Select(run => run.Any(version => version.State.IsTerminal())).ToList() is { Count: > 0 } runs && runs.TrueForAll(ended => ended);

    /// <summary>How often the agent of any attempt of the run was really executed.</summary>
    public int ExecutionsOf(RunId runId) => _machines.SelectMany(machine => machine.Executions).Where(execution => execution.Key.Item1 == runId).Sum(execution => execution.Value);

    public Task<RunRecord?> FindAsync(RunId runId) => PatientlyAsync(async () => (await new RunRecords(Blobs, Clock).FindAsync(runId, CancellationToken.None))?.Record, CancellationToken.None);

    public Task<bool> IsThereAsync(string name) => PatientlyAsync(async () => await Blobs.FindEntryAsync(name, CancellationToken.None) is not null, CancellationToken.None);

    public Task<List<string>> NamesAsync(string prefix) => PatientlyAsync(
        async () =>
        {
            var names = new List<string>();
            await foreach (var entry in Blobs.ListAllAsync(prefix, CancellationToken.None))
            {
                names.Add(entry.Name);
            }

            return names;
        },
        CancellationToken.None);

    /// <summary>An emulator on a busy machine may not answer in time: who looks on, or only begins what is tested, is not what is tested, and tries again.</summary>
    public static async Task<T> PatientlyAsync<T>(Func<Task<T>> work, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await work();
            }
            catch (BlobStoreException ex) when (ex.IsTransient && tries < MostTries)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, cancellationToken);
            }
        }
    }

    /// <summary>Guarantees 1 to 5 as they stand, a sentence for each breach.</summary>
    public async Task<IReadOnlyList<string>> FindBreachesAsync(IReadOnlyCollection<RunId> accepted)
    {
        var check = new GuaranteeCheck
        {
            Store = await PatientlyAsync(() => StoreSnapshot.OfAsync(Blobs, CancellationToken.None), CancellationToken.None),
            Accepted = accepted,
            CompletionIds = [.. Events.Where(sent => sent.Type == RunEvents.CompletedType).Select(sent => sent.Id)],
            Executions = _machines.SelectMany(machine => machine.Executions).GroupBy(execution => execution.Key)
                .ToDictionary(group => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{group.Key.Item1}.{group.Key.Item2}"), group => group.Sum(execution => execution.Value)),
            Directories = [.. _machines.Where(machine => !machine.Lost).SelectMany(machine => machine.Directories.Select(directory => $"{machine.Name}/{directory.Key} of run {directory.Value.Intent?.RunId}"))],
        };
        var ends = Versions.Where(version => version.State.IsTerminal()).GroupBy(version => version.RunId)
            .Where(run => run.Select(version => (version.State, version.Reason, version.Event?.GetRawText())).Distinct().Count() > 1)
            .Select(run => $"4: run {run.Key} had several ends: {string.Join(", ", run.Select(version => $"{version.State.Text()} at {version.FinishedAt:O}"))}");
        var early = _machines.SelectMany(machine => machine.StatesAtExecution).Where(state => state != RunState.InProgress)
            .Select(state => $"3: an agent was executed while the record said {state.Text()}");
        return [.. check.FindBreaches(), .. ends, .. early];
    }

    public IReadOnlyList<string> CompletionIds(RunId runId) =>
        [.. Events.Where(sent => sent.RunId == runId && sent.Type == RunEvents.CompletedType).Select(sent => sent.Id).Distinct()];

    public IHeldHostLock HoldLock(SimulatedProcess process, string hostId)
    {
        _locks[hostId] = process;
        return new HeldLock(this, hostId);
    }

    public HostLockState? FindLock(string hostId) => SharedLocks ? new(_locks.ContainsKey(hostId), TimeSpan.MaxValue) : null;

    /// <summary>A process is gone: everything it had locked is free.</summary>
    public void Release(SimulatedProcess process)
    {
        foreach (var (hostId, holder) in _locks)
        {
            if (holder == process)
            {
                _locks.TryRemove(hostId, out _);
            }
        }

        foreach (var directory in _machines.SelectMany(machine => machine.Directories.Values))
        {
            lock (directory)
            {
                if (directory.LockedBy == process)
                {
                    directory.LockedBy = null;
                }
            }
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    /// <summary>Stops every host and waits for it, and for what killed ones had sent.</summary>
    public async Task StopAsync()
    {
        _paused.ForEach(process => process.Resume());
        foreach (var (host, process, running) in _hosts)
        {
            host.Drain();
            host.Drain();
            await EndedAsync(process, running).WaitAsync(TimeSpan.FromMinutes(2));
        }

        static async Task EndedAsync(SimulatedProcess process, Task running)
        {
            // A fault may kill it only now, at the last of its steps: then it never ends by itself.
            await Task.WhenAny(running, process.Killed);
            await (process.IsKilled ? process.NothingOnTheWayAsync() : running);
        }
    }

    private sealed class AwaitedCalls(Func<PortCall, bool> isIt)
    {
        public Func<PortCall, bool> IsIt => isIt;

        public int Left { get; set; }

        public TaskCompletionSource Made { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class HeldLock(World world, string hostId) : IHeldHostLock
    {
        public bool Renew() => true;

        public void Dispose() => world._locks.TryRemove(hostId, out _);
    }
}
