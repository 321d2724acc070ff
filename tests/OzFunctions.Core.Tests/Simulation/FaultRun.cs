using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Queues;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>One whole run, from submission to the last thing owed, with one fault at one step of one process. Answers the guarantees that did not hold.</summary>
internal sealed partial class FaultRun(Func<ShiftedTimeProvider, IBlobStore> store)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan MostPatience = TimeSpan.FromSeconds(300);

    /// <summary>What is left to the tick is a minute old before it looks.</summary>
    private static readonly TimeSpan ATime = TimeSpan.FromSeconds(61);

    /// <summary>How long a slow answer takes: longer than a marker may be old before the intake writes it anew (I4), shorter than a lease less a minute.</summary>
    private static readonly TimeSpan SlowFor = TimeSpan.FromMinutes(6);

    private StepFault? _fault;
    private volatile bool _isGivenBack;

    /// <summary>The store is beyond a network: hosts call it less often.</summary>
    public bool IsRemote { get; init; }

    /// <summary>Hosts hold a lock for life, as on plain files; elsewhere their heartbeats alone say that they live.</summary>
    public bool HasHostLocks { get; init; }

    /// <summary>The bell; null: in memory.</summary>
    public IBell? Bell { get; init; }

    /// <summary>The queue of requests, on the world's clock where it can be; null: in memory.</summary>
    public Func<TimeProvider, SweptQueue>? Queue { get; init; }

    /// <summary>How long all is waited for to be settled.</summary>
    public TimeSpan Patience { get; init; } = MostPatience;

    /// <summary>A fault on purpose in what the processes stand on.</summary>
    public bool StartsTooEarly { get; init; }

    /// <summary>The same: what a dead host left on its machine is thrown away.</summary>
    public bool ThrowsAway { get; init; }

    /// <summary>The same: attempts end without their log.</summary>
    public bool KeepsNoLog { get; init; }

    /// <summary>A fault on purpose in the check itself: time goes by however long nothing comes of it.</summary>
    public bool IgnoresRows { get; init; }

    /// <summary>What the fault met; null: the process did not get so far.</summary>
    public PortCall? Met => _fault?.Met;

    /// <summary>How many steps the process had at which a fault of this kind is one; known after a run without a fault.</summary>
    public int StepsOf(FaultKind kind) => _fault?.StepsOf(kind) ?? 0;

    public async Task<IReadOnlyList<string>> FindBreachesAsync(FaultPhase phase, int step, FaultKind kind, CancellationToken cancellationToken)
    {
        await using var world = new World(clock => new ShiftedAges(store(clock), clock), Bell) { Often = TimeSpan.FromMilliseconds(IsRemote ? 500 : 50), SharedLocks = HasHostLocks, AgentsLeaveFiles = true };
        using var deadline = new CancellationTokenSource(2 * MostPatience, TimeProvider.System);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await FindBreachesAsync(world, phase, step, kind, patience.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return [$"4: what the phase waits for did not come in {2 * MostPatience.TotalSeconds} s"];
        }
    }

    private async Task<IReadOnlyList<string>> FindBreachesAsync(World world, FaultPhase phase, int step, FaultKind kind, CancellationToken cancellationToken)
    {
        var machine = world.Add(new SimulatedMachine("m1") { StartsTooEarly = StartsTooEarly, ThrowsAway = ThrowsAway, KeepsNoLog = KeepsNoLog });
        var submission = World.Ask(phase is FaultPhase.CancelRunning or FaultPhase.Watch ? AgentPlan.UntilStopped : AgentPlan.Succeeds, key: "k");
        submission = submission with { Request = submission.Request with { ConcurrencyKey = "repository", IdempotencyKey = "k" } };
        var faulty = world.NewProcess();
        var fault = _fault = new StepFault(step, kind, Counted(phase), faulty.Kill, () => HoldAsync(world));
        (faulty.Faults, faulty.Probe) = (fault, fault);

        if (phase is FaultPhase.Send or FaultPhase.Consume)
        {
            return await FindBreachesByQueueAsync(phase, world, machine, faulty, submission.Request, step, cancellationToken);
        }

        if (phase == FaultPhase.Submit)
        {
            await EndAsync(faulty.Core.Intake.SubmitAsync(submission, cancellationToken), faulty, cancellationToken);
        }

        if (phase is FaultPhase.LoseClaimed or FaultPhase.LoseStarted)
        {
            await LoseMachineAsync(world, submission, after: phase == FaultPhase.LoseClaimed ? ProtocolStep.C8 : ProtocolStep.C10, cancellationToken);
        }

        var holder = phase == FaultPhase.GiveBack ? await ClaimFirstAsync(world, submission.Request, cancellationToken) : null;
        var run = (await World.PatientlyAsync(() => world.NewProcess().Core.Intake.SubmitAsync(submission, cancellationToken), cancellationToken)).Run.RunId;
        switch (phase)
        {
            case FaultPhase.Run:
                world.StartHost(faulty, machine);
                break;
            case FaultPhase.Adopt:
                await DieAsync(world, machine, ProtocolStep.C10, cancellationToken);
                world.StartHost(faulty, machine);
                break;
            case FaultPhase.CancelWaiting or FaultPhase.CancelRunning:
                if (phase == FaultPhase.CancelRunning)
                {
                    world.StartHost(machine);
                    await world.UntilAsync(run, record => record.State == RunState.InProgress, cancellationToken);
                }

                await EndAsync(faulty.Core.Cancels.CancelAsync(run, "ann", null, cancellationToken), faulty, cancellationToken);
                await World.PatientlyAsync(() => world.NewProcess().Core.Cancels.CancelAsync(run, "ann", null, cancellationToken), cancellationToken);
                break;
            case FaultPhase.Watch:
                await WatchAsync(world, machine, faulty, run, step, cancellationToken);
                break;
            case FaultPhase.GiveBack:
                await GiveBackAsync(world, machine, faulty, run, holder!, cancellationToken);
                break;
            case FaultPhase.LoseClaimed or FaultPhase.LoseStarted:
                await TickAsync(world, faulty, cancellationToken);
                break;
        }

        if (phase is FaultPhase.Submit or FaultPhase.CancelWaiting or FaultPhase.LoseClaimed or FaultPhase.LoseStarted)
        {
            world.StartHost(machine);
        }

        var restart = phase is FaultPhase.Run or FaultPhase.Adopt or FaultPhase.GiveBack;
        var settled = await SettleAsync(world, phase, () => world.StartHost(machine), faulty, SettledAsync, restart, step, cancellationToken);
        var breaches = await FindBreachesAsync(world, phase, faulty, [run]);
        return settled ? breaches : [$"4: run {run} was not settled in {Patience.TotalSeconds} s", .. breaches];

        async Task SettledAsync(CancellationToken token)
        {
            await world.UntilSettledAsync(run, token);
            if (holder is not null)
            {
                await world.UntilSettledAsync(holder.Run, token);
            }

            // T1 puts a run into one index before it takes it off the other: one that was killed in between leaves the rest to the next tick.
            await world.UntilAsync(async () => (await world.NamesAsync("later/")).Count == 0, token);
        }
    }

    /// <summary>What the phase's process does beside what is looked at, and what its timers do, has other numbers each time.</summary>
    private Func<PortCall, bool> Counted(FaultPhase phase) => phase switch
    {
        FaultPhase.Consume => IsTakingIn,
        FaultPhase.Watch => call => call.Port == "blobs" && !StepFault.OfRuns(call),
        FaultPhase.GiveBack => call => !_isGivenBack && StepFault.OfRuns(call),
        FaultPhase.LoseClaimed or FaultPhase.LoseStarted when !IsRemote => _ => true,
        _ => StepFault.OfRuns,
    };

    private static async Task<IReadOnlyList<string>> FindBreachesAsync(World world, FaultPhase phase, SimulatedProcess faulty, IReadOnlyList<RunId> runs)
    {
        var breaches = new List<string>(await world.FindBreachesAsync(runs));
        var row = CrashRow.Of(phase, faulty.IsKilled);
        foreach (var run in runs)
        {
            if (await world.FindAsync(run) is not { } record)
            {
                continue;
            }

            if (row.FindOther(record, world.ExecutionsOf(run)) is { } other)
            {
                breaches.Add(other);
            }
            else if (row.LeavesFiles && !await world.IsThereAsync(RunBlobs.Artifact(run, record.Attempt, SimulatedFiles.ArtifactName)))
            {
                breaches.Add($"4: the artifact of run {run} attempt {record.Attempt} is not there");
            }
        }

        return breaches;
    }

    /// <summary>A queue in memory, with a place for what its readers gave up.</summary>
    public static InMemoryRequestQueue MemoryQueue(TimeProvider time) => new("oz-requests", time) { GivenUp = new InMemoryRequestQueue("oz-requests-poison", time) };

    private async Task<IReadOnlyList<string>> FindBreachesByQueueAsync(
        FaultPhase phase, World world, SimulatedMachine machine, SimulatedProcess faulty, RunRequest request, int step, CancellationToken cancellationToken)
    {
        var queue = Queue?.Invoke(world.Clock)
            ?? new(MemoryQueue(world.Clock), longest: null);
        var body = JsonSerializer.SerializeToUtf8Bytes(request, RunJson.Wire.RunRequest);
        if (phase == FaultPhase.Send)
        {
            await EndAsync(new FaultyRequestQueue(queue, faulty).SendAsync(body, cancellationToken), faulty, cancellationToken);
        }

        await World.PatientlyAsync(() => queue.SendAsync(body, cancellationToken), cancellationToken);
        await queue.GivenUp!.SendAsync("{}"u8.ToArray(), cancellationToken);
        var host = phase == FaultPhase.Consume ? faulty : world.NewProcess();
        world.StartHost(host, machine, requests: new FaultyRequestQueue(queue, host));
        var settled = await SettleAsync(world, phase, () => world.StartHost(world.NewProcess(), machine, requests: queue), faulty, TakenInAsync, restart: phase == FaultPhase.Consume, step, cancellationToken);
        var runs = await RunsAsync(world);
        var breaches = await FindBreachesAsync(world, phase, faulty, runs);

        // Known by its id: of two that write it at the same time each may make a blob.
        var letters = (await world.NamesAsync("dead-letters/")).Select(name => name[(name.LastIndexOf('-') + 1)..]).Distinct().ToList();
        return
        [
            .. settled ? Array.Empty<string>() : [$"4: the request was not settled in {Patience.TotalSeconds} s; {queue.Left} message(s) are left"],
            .. runs.Count == 1 ? Array.Empty<string>() : [$"1: one request became {runs.Count} runs"],
            .. letters.Count == 1 ? Array.Empty<string>() : [$"2: the one bad message became {letters.Count} dead letters: {string.Join(", ", letters)}"],
            .. breaches,
        ];

        async Task TakenInAsync(CancellationToken token)
        {
            await world.UntilAsync(async () => queue.Left == 0 && (await RunsAsync(world)).Count > 0, token);
            foreach (var run in await RunsAsync(world))
            {
                await world.UntilSettledAsync(run, token);
            }
        }
    }

    private static async Task<IReadOnlyList<RunId>> RunsAsync(World world) =>
        [.. (await world.NamesAsync(RunBlobs.RecordPrefix)).Select(name => RunBlobs.TryParseRecord(name, out var run) ? run : throw new InvalidDataException(name))];

    /// <summary>What a consumer does between the queue and the accepted run; the rest of a run is <see cref="FaultPhase.Run"/>.</summary>
    private static bool IsTakingIn(PortCall call) => call.Port == "queue"
        || (call.Port == "blobs" && (call.Name.StartsWith("keys/", StringComparison.Ordinal) || call.Name.StartsWith("dead-letters/", StringComparison.Ordinal)));

    /// <summary>The others go on meanwhile, and the process itself does with whatever it does beside the call.</summary>
    private static async Task HoldAsync(World world)
    {
        world.Clock.Shift(SlowFor);
        await Task.Delay(4 * world.Often, TimeProvider.System);
    }

    /// <summary>To its end, to its failure, or until it is killed.</summary>
    private static async Task EndAsync(Task work, SimulatedProcess process, CancellationToken cancellationToken)
    {
        try
        {
            await (await Task.WhenAny(work, process.Killed)).WaitAsync(cancellationToken);
        }
        catch (BlobStoreException)
        {
            // Its caller is told, and tries again.
        }
    }

    /// <summary>Time goes by as far as the row lets it, a killed host is started anew, until nothing is owed any more; then all stop, so that no step is to come.</summary>
    private async Task<bool> SettleAsync(
        World world, FaultPhase phase, Action startAnew, SimulatedProcess faulty, Func<CancellationToken, Task> untilSettled, bool restart, int step, CancellationToken cancellationToken)
    {
        var each = IsRemote ? 4 * Look : Look;

        // Nothing is left to the tick where nothing fails: no time goes by, and who counts is in no hurry.
        var patience = step == 0 ? MostPatience : Patience;
        var began = TimeProvider.System.GetTimestamp();
        var (times, from) = (0, world.Clock.Shifted);
        var answered = Answers(world);
        while (TimeProvider.System.GetElapsedTime(began) < patience)
        {
            if (restart && faulty.IsKilled)
            {
                startAnew();
                restart = false;
            }

            if (await LooksSettledAsync(untilSettled, each, cancellationToken))
            {
                await world.StopAsync();

                // What was on its way meanwhile, such as the entry of a run that a tick had read before it was claimed, is cleaned up by whoever comes next.
                if (await LooksSettledAsync(untilSettled, each, cancellationToken))
                {
                    return true;
                }

                startAnew();
            }

            if (_fault!.Times is var come && come != times)
            {
                // A receipt that lands late hides its message anew.
                (times, from) = (come, world.Clock.Shifted);
            }

            if (step > 0 && HaveFollowed(world, answered) && MayPass(world.Clock.Shifted - from + ATime, world, CrashRow.Of(phase, faulty.IsKilled)))
            {
                answered = Answers(world);
                world.Clock.Shift(ATime);
            }
        }

        return false;
    }

    private static Dictionary<SimulatedProcess, (int Beats, int Ticks)> Answers(World world) => world.LivingHosts.ToDictionary(host => host, host => (host.Beats, host.Ticks));

    /// <summary>Whether each host that lives has done something with the time that went by last: a heartbeat, and a whole tick, which is over when the next one begins. However slow they are, none of the time that a row gives goes by unused.</summary>
    private static bool HaveFollowed(World world, Dictionary<SimulatedProcess, (int Beats, int Ticks)> answered) => world.LivingHosts.All(host =>
        answered.GetValueOrDefault(host) is var (beats, ticks) && host.Beats > beats && host.Ticks > ticks + 1);

    /// <summary>Time counts from the fault: nothing is waited for before it has come, nor is a run helped to another end than its own by more time than its row names; once it is terminal no time changes that.</summary>
    private bool MayPass(TimeSpan time, World world, CrashRow row) => IgnoresRows
        || (world.HasEnded() ? time <= row.UntilSettled : Met is not null && time <= row.UntilEnd);

    private static async Task<bool> LooksSettledAsync(Func<CancellationToken, Task> untilSettled, TimeSpan within, CancellationToken cancellationToken)
    {
        using var look = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var settled = untilSettled(look.Token);
        if (await Task.WhenAny(settled, Task.Delay(within, TimeProvider.System, cancellationToken)) == settled)
        {
            await settled;
            return true;
        }

        await look.CancelAsync();
        await settled.ContinueWith(_ => { }, TaskScheduler.Default);
        return false;
    }
}
