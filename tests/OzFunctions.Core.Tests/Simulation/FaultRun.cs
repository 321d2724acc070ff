using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Protocol;
using OzFunctions.Queues;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>Which process meets the fault.</summary>
public enum FaultPhase
{
    /// <summary>Who submits; somebody repeats the request with the same key.</summary>
    Submit,

    /// <summary>The host that runs it; another one is started on the machine.</summary>
    Run,

    /// <summary>The host that adopts it from one that was killed while the agent ran.</summary>
    Adopt,

    /// <summary>Who cancels it while it waits; somebody repeats the cancel.</summary>
    CancelWaiting,

    /// <summary>Who cancels it while its agent runs.</summary>
    CancelRunning,

    /// <summary>Who puts the request on the queue; somebody repeats it with the same key.</summary>
    Send,

    /// <summary>The host that takes it from the queue; another one is started on the machine.</summary>
    Consume,
}

/// <summary>One whole run, from submission to the last thing owed, with one fault at one step of one process. Answers the guarantees that did not hold.</summary>
internal sealed class FaultRun(Func<ShiftedTimeProvider, IBlobStore>? store)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(150);

    // Nothing is left to the tick where nothing fails; a tick that looks all the same would be counted. It does so by itself after a minute.
    private static readonly TimeSpan LookWithoutFault = TimeSpan.FromSeconds(50);

    private StepFault? _fault;

    /// <summary>The store is beyond a network: hosts call it less often.</summary>
    public bool IsRemote { get; init; }

    /// <summary>The bell; null: in memory.</summary>
    public IBell? Bell { get; init; }

    /// <summary>The queue of requests, on the world's clock where it can be; null: in memory.</summary>
    public Func<TimeProvider, SweptQueue>? Queue { get; init; }

    /// <summary>How long all is waited for to be settled.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>A fault on purpose in what the processes stand on.</summary>
    public bool StartsTooEarly { get; init; }

    /// <summary>What the fault met; null: the process did not get so far.</summary>
    public PortCall? Met => _fault?.Met;

    /// <summary>How many steps the process had at which a fault of this kind is one; known after a run without a fault.</summary>
    public int StepsOf(FaultKind kind) => _fault?.StepsOf(kind) ?? 0;

    public async Task<IReadOnlyList<string>> FindBreachesAsync(FaultPhase phase, int step, FaultKind kind, CancellationToken cancellationToken)
    {
        await using var world = new World(store, Bell) { Often = TimeSpan.FromMilliseconds(IsRemote ? 250 : 50) };
        var machine = world.Add(new SimulatedMachine("m1") { StartsTooEarly = StartsTooEarly });
        var submission = World.Ask(phase == FaultPhase.CancelRunning ? AgentPlan.UntilStopped : AgentPlan.Succeeds, key: "k");
        submission = submission with { Request = submission.Request with { ConcurrencyKey = "repository", IdempotencyKey = "k" } };
        var faulty = world.NewProcess();
        var fault = _fault = new StepFault(step, kind, phase is FaultPhase.Consume ? IsTakingIn : StepFault.OfRuns, faulty.Kill);
        (faulty.Faults, faulty.Probe) = (fault, fault);

        if (phase is FaultPhase.Send or FaultPhase.Consume)
        {
            return await FindBreachesByQueueAsync(phase, world, machine, faulty, submission.Request, step, cancellationToken);
        }

        if (phase == FaultPhase.Submit)
        {
            await EndAsync(faulty.Core.Intake.SubmitAsync(submission, cancellationToken), faulty, cancellationToken);
        }

        var run = (await world.NewProcess().Core.Intake.SubmitAsync(submission, cancellationToken)).Run.RunId;
        switch (phase)
        {
            case FaultPhase.Run:
                world.StartHost(faulty, machine);
                break;
            case FaultPhase.Adopt:
                var dying = world.NewProcess(ProtocolStep.C10);
                world.StartHost(dying, machine);
                await dying.Killed.WaitAsync(cancellationToken);
                world.StartHost(faulty, machine);
                break;
            case FaultPhase.CancelWaiting or FaultPhase.CancelRunning:
                if (phase == FaultPhase.CancelRunning)
                {
                    world.StartHost(machine);
                    await world.UntilAsync(run, record => record.State == RunState.InProgress, cancellationToken);
                }

                await EndAsync(faulty.Core.Cancels.CancelAsync(run, "ann", null, cancellationToken), faulty, cancellationToken);
                await world.NewProcess().Core.Cancels.CancelAsync(run, "ann", null, cancellationToken);
                break;
        }

        if (phase is not (FaultPhase.CancelRunning or FaultPhase.Run or FaultPhase.Adopt))
        {
            world.StartHost(machine);
        }

        var settled = await SettleAsync(world, () => world.StartHost(machine), faulty, token => world.UntilSettledAsync(run, token), restart: phase is FaultPhase.Run or FaultPhase.Adopt, step, cancellationToken);
        var breaches = await world.FindBreachesAsync([run]);
        return settled ? breaches : [$"4: run {run} was not settled in {Patience.TotalSeconds} s", .. breaches];
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

        await queue.SendAsync(body, cancellationToken);
        await queue.GivenUp!.SendAsync("{}"u8.ToArray(), cancellationToken);
        var host = phase == FaultPhase.Consume ? faulty : world.NewProcess();
        world.StartHost(host, machine, requests: new FaultyRequestQueue(queue, host));
        var settled = await SettleAsync(world, () => world.StartHost(world.NewProcess(), machine, requests: queue), faulty, TakenInAsync, restart: phase == FaultPhase.Consume, step, cancellationToken);
        var runs = await RunsAsync(world);
        var breaches = await world.FindBreachesAsync(runs);

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

    /// <summary>Time goes by, a killed host is started anew, until nothing is owed any more; then all stop, so that no step is to come.</summary>
    private async Task<bool> SettleAsync(
        World world, Action startAnew, SimulatedProcess faulty, Func<CancellationToken, Task> untilSettled, bool restart, int step, CancellationToken cancellationToken)
    {
        var each = step == 0 ? LookWithoutFault : IsRemote ? 4 * Look : Look;
        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began) < Patience)
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

            // What is left to the tick is a minute old before it looks.
            world.Clock.Shift(TimeSpan.FromSeconds(61));
        }

        return false;
    }

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
