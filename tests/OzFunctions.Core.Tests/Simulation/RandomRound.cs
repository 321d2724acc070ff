using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.RegularExpressions;
using OzFunctions.Blobs;
using OzFunctions.Hosts;
using OzFunctions.Intake;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Testing;
using OzFunctions.Testing.Faults;

namespace OzFunctions.Core.Tests.Simulation;

/// <summary>
/// Two hosts on two machines, a queue and submitters, all of them failed, held up and killed by chance; then the faults end, time goes by, and everything must come to its
/// one end. The seed decides what is asked for and what becomes of each call.
/// </summary>
internal sealed partial class RandomRound(int seed, Func<ShiftedTimeProvider, IBlobStore>? store)
{
    private const int Submissions = 18;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(300);

    /// <summary>So much time goes by until it is looked whether everybody keeps up: well below the lease less a minute, after which a host that lives may be taken for dead.</summary>
    private static readonly TimeSpan Unlooked = TimeSpan.FromMinutes(5);

    private readonly Random _random = new(seed);
    private readonly ConcurrentDictionary<string, int> _runs = new();
    private readonly ConcurrentDictionary<RunId, bool> _accepted = new();
    private readonly ConcurrentBag<SeededFaults> _faults = [];
    private readonly List<(SimulatedProcess Process, WorkerHost Host, SimulatedMachine Machine)> _hosts = [];
    private int _processes;
    private TimeSpan _passed;
    private Dictionary<SimulatedProcess, int>? _standing;

    /// <summary>The store is beyond a network: hosts call it less often.</summary>
    public bool IsRemote { get; init; }

    /// <summary>What was done to whom.</summary>
    public IEnumerable<string> Story => _faults.SelectMany(faults => faults.Story);

    /// <summary>Runs that there were in the end.</summary>
    public int Runs { get; private set; }

    public async Task<IReadOnlyList<string>> FindBreachesAsync(CancellationToken cancellationToken)
    {
        await using var world = new World(store) { SharedLocks = false, BellDecorator = bell => new UnreliableBell(bell, seed), Often = TimeSpan.FromMilliseconds(IsRemote ? 250 : 50) };
        var queue = new InMemoryRequestQueue("oz-requests", world.Clock);
        SimulatedMachine[] machines = [world.NewMachine("m1"), world.NewMachine("m2"), world.NewMachine("m3")];
        _hosts.Add(StartHost(world, machines[0], queue));
        _hosts.Add(StartHost(world, machines[1], queue));

        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var asking = Enumerable.Range(0, Submissions).Select(index => Plan(index, world)).ToList();
        var submitting = Task.WhenAll(asking.Select(ask => Task.Run(() => SubmitAsync(world, queue, ask, cancellationToken), cancellationToken)));
        var losesMachine = _random.Next(3) == 0;
        while (!submitting.IsCompleted)
        {
            Restart(world, queue, losesMachine ? machines[2] : null);
            losesMachine &= !machines.Any(machine => machine.Lost);
            await PassAsync(world, TimeSpan.FromSeconds(_random.Next(20)));
            await Task.WhenAny(submitting, Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken));
        }

        await submitting;
        foreach (var faults in _faults)
        {
            faults.Active = false;
        }

        var settled = await SettleAsync(world, queue, cancellationToken);
        await over.CancelAsync();
        var records = await RecordsAsync(world);
        var sent = asking.Where(ask => ask.ByQueue).Select(ask => ask.Request.IdempotencyKey!).Distinct().Where(key => !records.Any(record => record.Trigger.Kind == TriggerKind.Queue && record.Request.IdempotencyKey == key));
        IReadOnlyList<string> breaches =
        [
            .. await world.FindBreachesAsync([.. _accepted.Keys]),
            .. records.Select(record => FindOther(record, world)).OfType<string>(),
            .. sent.Select(key => $"1: what was put on the queue with the key {key} has no run"),
        ];
        Runs = records.Count;
        return settled ? breaches : [$"4: not everything was settled in {Patience.TotalSeconds} s", .. breaches];
    }

    /// <summary>
    /// Time goes by for hosts that live no faster than they can follow, however slow the machine is on which this runs: what they have they carry on, and their heartbeats are
    /// written. Else the clock stands until the next look.
    /// </summary>
    private async Task PassAsync(World world, TimeSpan time)
    {
        if (_passed + time > Unlooked)
        {
            _standing ??= _hosts.ToDictionary(host => host.Process, host => host.Process.Beats);
            if (_hosts.Exists(host => host.Process.IsKilled || host.Process.Beats <= _standing.GetValueOrDefault(host.Process) + 1) || !await IsCarriedOnAsync(world))
            {
                return;
            }

            (_passed, _standing) = (TimeSpan.Zero, null);
        }

        _passed += time;
        world.Clock.Shift(time);
    }

    /// <summary>Every run that is owned by an attempt on a machine that is there is owned by a host that lives: adoption needs no time, only a lost machine's runs do (T4).</summary>
    private async Task<bool> IsCarriedOnAsync(World world)
    {
        foreach (var marker in await world.NamesAsync(RunBlobs.ActivePrefix))
        {
            if (await world.FindAsync(RunId.Parse(marker[RunBlobs.ActivePrefix.Length..])) is { Owner: { } owner } record && record.State.IsOwned()
                && world.Machines.Any(machine => !machine.Lost && machine.Directories.ContainsKey(owner.Dir)) && !_hosts.Exists(host => !host.Process.IsKilled && host.Host.HostId == owner.HostId))
            {
                return false;
            }
        }

        return true;
    }

    private static async Task<IReadOnlyList<RunRecord>> RecordsAsync(World world)
    {
        var records = new List<RunRecord>();
        foreach (var name in await world.NamesAsync(RunBlobs.RecordPrefix))
        {
            if (RunBlobs.TryParseRecord(name, out var run) && await world.FindAsync(run) is { } record)
            {
                records.Add(record);
            }
        }

        return records;
    }

    /// <summary>An end that neither its agent nor a cancel, a rule of its own or the loss of its machine (T4, the rows C9 to S6) brought about; null: none.</summary>
    private static string? FindOther(RunRecord record, World world)
    {
        var lost = world.Machines.Where(machine => machine.Lost).Select(machine => machine.Name).ToList();
        var isRight = record.Reason switch
        {
            RunReason.Completed => World.PlanOf(record) == AgentPlan.Succeeds,
            RunReason.AgentInvocation => World.PlanOf(record) == AgentPlan.Fails,
            RunReason.TaskCancelled => record.Cancel is not null || record.Request.OnConflict == ConflictRule.Skip,
            RunReason.HostLost => lost.Contains(record.CurrentAttempt?.Host ?? ""),
            _ => false,
        };
        var executed = world.ExecutionsOf(record.RunId);
        var isStarted = record.Reason is RunReason.Completed or RunReason.AgentInvocation;
        var isOnce = record.Attempts.Any(attempt => lost.Contains(attempt.Host ?? "")) || (record.Starts <= 1 && record.PrestartFailures == 0 && (!isStarted || (record.Starts, executed) == (1, 1)));
        return isRight && isOnce
            ? null
            : $"4: run {record.RunId} ({record.Request.Prompt}, {record.Request.OnConflict}) is {record.State.Text()} ({record.Reason?.Text()}: {record.Message}) after {record.Starts} start(s), {executed} execution(s) and {record.PrestartFailures} failure(s) before a start; lost: {string.Join(", ", lost)}";
    }

    private (SimulatedProcess Process, WorkerHost Host, SimulatedMachine Machine) StartHost(World world, SimulatedMachine machine, InMemoryRequestQueue queue)
    {
        var process = NewProcess(world, $"h{++_processes}");
        return (process, world.StartHost(process, machine, slots: 3, new FaultyRequestQueue(queue, process)), machine);
    }

    private SimulatedProcess NewProcess(World world, string name, int? submission = null)
    {
        var process = world.NewProcess();
        var faults = new SeededFaults(seed, name, text => Normalise(text, submission), process.Kill);
        _faults.Add(faults);
        process.Faults = faults;
        return process;
    }

    /// <summary>A run is known by the submission that made it, as soon as its submitter names it.</summary>
    private string Normalise(string text, int? submission)
    {
        text = RunIdText().Replace(text, match =>
        {
            var known = submission is { } index ? _runs.GetOrAdd(match.Value, index) : _runs.GetValueOrDefault(match.Value, -1);
            return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"run{known}");
        });
        return Volatile().Replace(text, "*");
    }

    private Ask Plan(int index, World world)
    {
        var plan = _random.Next(10) switch { < 6 => AgentPlan.Succeeds, < 8 => AgentPlan.Fails, _ => AgentPlan.UntilStopped };
        var key = $"k{_random.Next(Submissions * 2 / 3)}";
        var request = new RunRequest
        {
            Prompt = plan.ToString(),
            IdempotencyKey = key,
            ConcurrencyKey = _random.Next(4) switch { 0 => "a", 1 => "b", _ => null },
            OnConflict = _random.Next(6) switch { 0 => ConflictRule.Skip, 1 => ConflictRule.CancelPrevious, _ => null },
            MaxAttempts = _random.Next(3) == 0 ? 2 : null,
            Priority = _random.Next(5) == 0 ? _random.Next(-5, 6) : null,
            NotBefore = _random.Next(5) == 0 ? world.Clock.GetUtcNow() + TimeSpan.FromSeconds(30) : null,
        };
        return new(index, request, ByQueue: _random.Next(3) == 0, Cancel: _random.Next(5) == 0);
    }

    /// <summary>As a caller does who must have the run: again until it is answered, sometimes by two at once, sometimes cancelled afterwards.</summary>
    private async Task SubmitAsync(World world, InMemoryRequestQueue queue, Ask ask, CancellationToken cancellationToken)
    {
        if (ask.ByQueue)
        {
            var body = JsonSerializer.SerializeToUtf8Bytes(ask.Request, RunJson.Wire.RunRequest);
            await queue.SendAsync(body, cancellationToken);
            await queue.SendAsync(body, cancellationToken);
            return;
        }

        var submission = new RunSubmission { Request = ask.Request, Trigger = new() { Kind = TriggerKind.Cli }, Key = IntakeKeys.Cli(ask.Request.IdempotencyKey) };
        for (var tries = 0; ; tries++)
        {
            var process = NewProcess(world, $"s{ask.Index}.{tries}", ask.Index);
            var answer = await TryAsync(process, () => process.Core.Intake.SubmitAsync(submission, cancellationToken), cancellationToken);
            if (answer is not null)
            {
                _accepted[answer.Run.RunId] = true;
                if (ask.Cancel)
                {
                    var canceller = NewProcess(world, $"c{ask.Index}.{tries}", ask.Index);
                    await TryAsync(canceller, () => canceller.Core.Cancels.CancelAsync(answer.Run.RunId, "chance", null, cancellationToken), cancellationToken);
                }

                return;
            }
        }
    }

    /// <summary>Null: it failed, or the process was killed.</summary>
    private static async Task<T?> TryAsync<T>(SimulatedProcess process, Func<Task<T>> work, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            var working = work();
            return await Task.WhenAny(working, process.Killed).WaitAsync(cancellationToken) == working ? await working : null;
        }
        catch (BlobStoreException)
        {
            return null;
        }
    }

    /// <summary>A killed host is started anew on its machine, or on another one when its machine is lost.</summary>
    private void Restart(World world, InMemoryRequestQueue queue, SimulatedMachine? spare)
    {
        for (var i = 0; i < _hosts.Count; i++)
        {
            var (process, _, machine) = _hosts[i];
            if (process.IsKilled)
            {
                if (spare is not null)
                {
                    machine.Lost = true;
                    (machine, spare) = (spare, null);
                }

                _hosts[i] = StartHost(world, machine, queue);
            }
        }
    }

    private async Task<bool> SettleAsync(World world, InMemoryRequestQueue queue, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        var clean = world.NewProcess().Core;
        while (TimeProvider.System.GetElapsedTime(began) < Patience)
        {
            Restart(world, queue, spare: null);
            foreach (var faults in _faults)
            {
                faults.Active = false;
            }

            await CancelEndlessAsync(world, clean, cancellationToken);
            if (await IsSettledAsync(world, queue))
            {
                await world.StopAsync();

                // What was on its way meanwhile, such as the entry of a run that a tick had read before it was claimed, is cleaned up by whoever comes next.
                if (await IsSettledAsync(world, queue))
                {
                    return true;
                }

                for (var i = 0; i < _hosts.Count; i++)
                {
                    _hosts[i] = StartHost(world, _hosts[i].Machine, queue);
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken);
            await PassAsync(world, TimeSpan.FromSeconds(61));
        }

        return false;
    }

    private static async Task<bool> IsSettledAsync(World world, InMemoryRequestQueue queue) =>
        queue.Count == 0 && (await world.NamesAsync("active/")).Count == 0 && (await world.NamesAsync("ready/")).Count == 0 && (await world.NamesAsync("later/")).Count == 0
            && (await world.NamesAsync("locks/")).Count == 0 && world.Machines.All(machine => machine.Lost || machine.Directories.IsEmpty);

    /// <summary>Those that nobody else ends. All others are to come to their end by themselves: a run that is stuck is not to be helped by a cancel.</summary>
    private static async Task CancelEndlessAsync(World world, OzCore clean, CancellationToken cancellationToken)
    {
        foreach (var marker in await world.NamesAsync(RunBlobs.ActivePrefix))
        {
            if (await world.FindAsync(RunId.Parse(marker[RunBlobs.ActivePrefix.Length..])) is { } record && !record.State.IsTerminal() && World.PlanOf(record) == AgentPlan.UntilStopped)
            {
                await clean.Cancels.CancelAsync(record.RunId, "the end", null, cancellationToken);
            }
        }
    }

    [GeneratedRegex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")]
    private static partial Regex RunIdText();

    [GeneratedRegex("[0-9a-f]{32,}|[0-9]{13}|[0-9a-f]{16}")]
    private static partial Regex Volatile();

    private sealed record Ask(int Index, RunRequest Request, bool ByQueue, bool Cancel);
}
