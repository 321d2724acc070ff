using System.Collections.Concurrent;
using System.Globalization;
using OzFunctions.AzureStorage;
using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Files;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;
using OzFunctions.Testing.Faults;

[assembly: AssemblyFixture(typeof(SharedAzurite))]

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>
/// Every step of a whole run, on each store: the process is killed before or after it, the store fails, answers too late or loses its answer; then time goes by, a
/// killed host is started anew, and guarantees 1 to 5 are looked at, and whether the run came to the end that its row of the crash table names, in the time that the row gives it.
/// Azurite stands for its queue and its bell too: real conditions, real ETags, real requests.
/// </summary>
public sealed class FaultSweepTests(SharedAzurite azurite, ITestOutputHelper output) : IDisposable
{
    private const int Limit = 1_800_000;

    /// <summary>Most of their time runs wait: for a message to be seen again, for a pause to be over.</summary>
    private const int AtOnce = 16;

    /// <summary>An emulator that is asked more than it can answer says nothing in time to anybody.</summary>
    private const int AtOnceBeyondNetwork = 8;

    /// <summary>
    /// A step that was not met was taken away by chance, such as a ring heard sooner, or was there by chance in the run that was counted, such as the look of a heartbeat: the
    /// run is counted again, and a step that it has again is tried again, this often in all.
    /// </summary>
    private const int MostTries = 5;

    /// <summary>More steps of one kind than this are not there by chance, as a later count did not have them: something keeps them from being met.</summary>
    private const int MostByChance = 4;

    private static readonly FaultKind[] Kinds = Enum.GetValues<FaultKind>();

    private readonly ConcurrentBag<IDisposable> _stores = [];

    /// <summary>Of what a host does all the time there is no end: its start, its first ticks and heartbeats.</summary>
    private const int WatchedCalls = 30;

    private const int WatchedWrites = 6;

    /// <summary>On Azurite, which takes its time, the way of a run alone, and T4: what goes on beside it is the same calls of the same store.</summary>
    public static TheoryData<string, FaultPhase> All =>
    [
        .. from store in (string[])["memory", "files", "azurite"]
           from phase in Enum.GetValues<FaultPhase>()
           where store != "azurite" || phase is <= FaultPhase.Consume or FaultPhase.LoseClaimed or FaultPhase.LoseStarted
           select new TheoryDataRow<string, FaultPhase>(store, phase),
    ];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        foreach (var store in _stores)
        {
            store.Dispose();
        }
    }

    [Theory(Timeout = Limit)]
    [MemberData(nameof(All))]
    public async Task A_fault_at_any_step_of_a_whole_run_breaks_no_guarantee(string store, FaultPhase phase)
    {
        // Plain files have a lock that a host holds for life; memory has none and stands for a store beyond a network.
        var make = store == "azurite" ? await AzuriteAsync() : () => new(Store(store)) { HasHostLocks = store == "files" };
        var (steps, unfaulted) = await ListAsync(make, phase, Kinds);
        if (unfaulted.Count > 0 && store == "azurite")
        {
            // An emulator that did not answer for half a minute is a fault, of which nothing is settled while the clock stands.
            (steps, unfaulted) = await ListAsync(make, phase, Kinds);
        }

        Assert.Empty(unfaulted);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{steps.Count} steps"));

        var (breaches, unmet, dropped) = await SweepAsync(make, steps);
        foreach (var step in dropped)
        {
            output.WriteLine($"not met, and not in a later count: {step}");
        }

        Assert.True(breaches.Count == 0, string.Join('\n', breaches));
        Assert.Empty(unmet);
        Assert.All(dropped.CountBy(step => step.Kind), kind => Assert.InRange(kind.Value, 0, MostByChance));
        Assert.Equal(Kinds.Where(kind => phase != FaultPhase.Send || kind != FaultKind.Refused), steps.Select(step => step.Kind).Distinct());
    }

    /// <summary>The check's own proof: a store that does not keep its conditions.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_store_that_takes_every_write_is_caught() =>
        Assert.Contains(await BreachesAsync(() => new(time => new UnconditionalStore(new InMemoryBlobStore(time))), FaultPhase.Run, FaultKind.LateByOne), breach => breach.Contains("several ends", StringComparison.Ordinal));

    /// <summary>The check's own proof: C10 before C9.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_backend_that_starts_the_agent_before_the_record_says_so_is_caught() =>
        Assert.Contains(await BreachesAsync(() => new(Store("memory")) { StartsTooEarly = true }, FaultPhase.Run, FaultKind.KillAfter), breach => breach.Contains("executed", StringComparison.Ordinal));

    /// <summary>The check's own proof: an end without the log.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_backend_that_leaves_the_log_out_is_caught() =>
        Assert.Contains(await BreachesAsync(() => new(Store("memory")) { KeepsNoLog = true }, FaultPhase.Adopt, FaultKind.KillAfter), breach => breach.Contains("is not sealed", StringComparison.Ordinal));

    /// <summary>The check's own proof: adoption that throws away what it finds. The run waits for time that its row does not give it; where time goes by all the same, T4 ends it otherwise.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(false, "was not settled")]
    [InlineData(true, "is ERROR (host_lost")]
    public async Task A_machine_that_adopts_nothing_is_caught(bool ignoresRows, string breach) => Assert.Contains(
        await BreachesAsync(() => ignoresRows
            ? new(Store("memory")) { ThrowsAway = true, IgnoresRows = true }
            : new(Store("memory")) { ThrowsAway = true, Patience = TimeSpan.FromSeconds(5) }, FaultPhase.Run, FaultKind.KillAfter),
        found => found.Contains(breach, StringComparison.Ordinal));

    /// <summary>The check's own proof: the event in another write than the end, which a kill in between loses.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_record_that_ends_without_its_event_is_caught() =>
        Assert.Contains(await BreachesAsync(() => new(time => new EventlessStore(new InMemoryBlobStore(time))), FaultPhase.Run, FaultKind.KillAfter), breach => breach.Contains("5:", StringComparison.Ordinal));

    /// <summary>The check's own proof: keys that hold nothing, so that what was sent or delivered twice starts two runs.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(FaultPhase.Send, FaultKind.FailAfter)]
    [InlineData(FaultPhase.Consume, FaultKind.KillBefore)]
    public async Task A_store_that_forgets_keys_is_caught(FaultPhase phase, FaultKind kind) =>
        Assert.Contains(await BreachesAsync(() => new(time => new KeylessStore(new InMemoryBlobStore(time))), phase, kind), breach => breach.Contains("one request became 2 runs", StringComparison.Ordinal));

    /// <summary>The check's own proof: a message that goes when it is handed out, not when its run is there.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_queue_that_forgets_what_it_hands_out_is_caught() => Assert.Contains(
        await BreachesAsync(
            () => new(Store("memory")) { Queue = time => new(FaultRun.MemoryQueue(time), longest: null) { Forgets = true }, Patience = TimeSpan.FromSeconds(10) }, FaultPhase.Consume, FaultKind.KillAfter),
        breach => breach.Contains("one request became 0 runs", StringComparison.Ordinal));

    /// <summary>Of a run without a fault, and what is wrong with it all the same.</summary>
    private static async Task<(IReadOnlyList<SweptStep> Steps, IReadOnlyList<string> Breaches)> ListAsync(Func<FaultRun> make, FaultPhase phase, IReadOnlyList<FaultKind> kinds)
    {
        // Twice, and the fewer count: in one whose thread stalled heartbeats looked at the record that often more.
        var (one, other) = (make(), make());
        IReadOnlyList<string> breaches = [.. await CountAsync(one, phase), .. await CountAsync(other, phase)];
        return ([.. kinds.SelectMany(kind => Enumerable.Range(1, StepsOf(kind)).Select(number => new SweptStep(phase, kind, number)))], breaches);

        int StepsOf(FaultKind kind) => phase != FaultPhase.Watch ? Math.Min(one.StepsOf(kind), other.StepsOf(kind))
            : kind is FaultKind.KillBefore or FaultKind.FailBefore or FaultKind.Slow ? WatchedCalls : WatchedWrites;
    }

    private static Task<IReadOnlyList<string>> CountAsync(FaultRun run, FaultPhase phase) => run.FindBreachesAsync(phase, step: 0, FaultKind.KillBefore, Cancellation);

    private static async Task<(IReadOnlyList<string> Breaches, IReadOnlyList<SweptStep> Unmet, IReadOnlyList<SweptStep> Dropped)> SweepAsync(Func<FaultRun> make, IReadOnlyList<SweptStep> steps)
    {
        var breaches = new ConcurrentBag<string>();
        var dropped = new List<SweptStep>();
        for (var tries = 1; tries <= MostTries && steps.Count > 0; tries++)
        {
            var unmet = new ConcurrentBag<SweptStep>();
            await Parallel.ForEachAsync(
                steps,
                new ParallelOptions { MaxDegreeOfParallelism = make().IsRemote ? AtOnceBeyondNetwork : AtOnce, CancellationToken = Cancellation },
                async (step, cancellationToken) =>
                {
                    var run = make();
                    foreach (var breach in await run.FindBreachesAsync(step.Phase, step.Number, step.Kind, cancellationToken))
                    {
                        breaches.Add($"{step.Phase}, {step.Kind} at step {step.Number} ({run.Met}): {breach}");
                    }

                    if (run.Met is null)
                    {
                        unmet.Add(step);
                    }
                });
            steps = unmet.IsEmpty ? [] : [.. unmet.Intersect((await ListAsync(make, steps[0].Phase, [.. unmet.Select(step => step.Kind).Distinct()])).Steps)];
            dropped.AddRange(unmet.Except(steps));
        }

        return ([.. breaches.Order(StringComparer.Ordinal)], steps, dropped);
    }

    private static async Task<IReadOnlyList<string>> BreachesAsync(Func<FaultRun> broken, FaultPhase phase, FaultKind kind)
    {
        var (breaches, _, _) = await SweepAsync(broken, (await ListAsync(broken, phase, [kind])).Steps);
        return breaches;
    }

    private async Task<Func<FaultRun>> AzuriteAsync()
    {
        var emulator = await azurite.GetAsync();
        return () =>
        {
            var account = StorageAccount.Open(emulator.TakeAccount(), new(), TimeProvider.System);
            return new(_ => new AzureBlobStore(account))
            {
                IsRemote = true,
                Bell = new AzureBell(account),
                Queue = _ => new(new AzureRequestQueue(account, StorageNames.Requests), longest: TimeSpan.FromSeconds(2)),
            };
        };
    }

    /// <summary>The n-th step of a phase at which a fault of the kind is one.</summary>
    private sealed record SweptStep(FaultPhase Phase, FaultKind Kind, int Number);

    private Func<ShiftedTimeProvider, IBlobStore> Store(string name) => name == "memory"
        ? time => new InMemoryBlobStore(time)
        : time =>
        {
            var place = new TempDirectory();
            var files = FilesStore.Open(new() { Directory = place["data"], UseWatches = false, Durability = Durability.Process }, time);
            _stores.Add(files);
            _stores.Add(place);
            return new FilesBlobStore(files);
        };
}
