using System.Collections.Concurrent;
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
/// killed host is started anew, and guarantees 1 to 5 are looked at.
/// </summary>
public sealed class FaultSweepTests(SharedAzurite azurite) : IDisposable
{
    private const int Limit = 600_000;

    private readonly ConcurrentBag<IDisposable> _stores = [];

    public static TheoryData<string, FaultPhase, FaultKind> All
    {
        get
        {
            var all = new TheoryData<string, FaultPhase, FaultKind>();
            foreach (var store in (string[])["memory", "files"])
            {
                foreach (var phase in Enum.GetValues<FaultPhase>())
                {
                    foreach (var kind in Enum.GetValues<FaultKind>())
                    {
                        all.Add(store, phase, kind);
                    }
                }
            }

            return all;
        }
    }

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
    public async Task A_fault_at_any_step_of_a_whole_run_breaks_no_guarantee(string store, FaultPhase phase, FaultKind kind)
    {
        var (breaches, met) = await SweepAsync(Store(store), phase, kind, startsTooEarly: false);

        Assert.Empty(breaches);
        Assert.NotEmpty(met);
    }

    /// <summary>The same on Azurite: real conditions, real ETags, real requests. Fewer kinds, for each run takes its time there.</summary>
    [Theory(Timeout = Limit)]
    [InlineData(FaultPhase.Submit, FaultKind.KillAfter)]
    [InlineData(FaultPhase.Submit, FaultKind.FailAfter)]
    [InlineData(FaultPhase.Run, FaultKind.KillBefore)]
    [InlineData(FaultPhase.Run, FaultKind.KillAfter)]
    [InlineData(FaultPhase.Run, FaultKind.FailAfter)]
    [InlineData(FaultPhase.Run, FaultKind.LateByOne)]
    [InlineData(FaultPhase.Adopt, FaultKind.KillAfter)]
    [InlineData(FaultPhase.CancelWaiting, FaultKind.FailAfter)]
    public async Task A_fault_at_any_step_of_a_whole_run_on_Azurite_breaks_no_guarantee(FaultPhase phase, FaultKind kind)
    {
        var emulator = await azurite.GetAsync();

        var (breaches, met) = await SweepAsync(
            clock => new ShiftedAges(new AzureBlobStore(StorageAccount.Open(emulator.TakeAccount(), new(), TimeProvider.System)), clock), phase, kind, startsTooEarly: false, isRemote: true);

        Assert.Empty(breaches);
        Assert.NotEmpty(met);
    }

    /// <summary>The check's own proof: a store that does not keep its conditions.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_store_that_takes_every_write_is_caught()
    {
        var (breaches, _) = await SweepAsync(time => new UnconditionalStore(new InMemoryBlobStore(time)), FaultPhase.Run, FaultKind.LateByOne, startsTooEarly: false);

        Assert.Contains(breaches, breach => breach.Contains("several ends", StringComparison.Ordinal));
    }

    /// <summary>The check's own proof: C10 before C9.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_backend_that_starts_the_agent_before_the_record_says_so_is_caught()
    {
        var (breaches, _) = await SweepAsync(Store("memory"), FaultPhase.Run, FaultKind.KillAfter, startsTooEarly: true);

        Assert.Contains(breaches, breach => breach.Contains("executed", StringComparison.Ordinal));
    }

    /// <summary>The check's own proof: the event in another write than the end, which a kill in between loses.</summary>
    [Fact(Timeout = Limit)]
    public async Task A_record_that_ends_without_its_event_is_caught()
    {
        var (breaches, _) = await SweepAsync(time => new EventlessStore(new InMemoryBlobStore(time)), FaultPhase.Run, FaultKind.KillAfter, startsTooEarly: false);

        Assert.Contains(breaches, breach => breach.Contains("5:", StringComparison.Ordinal));
    }

    private async Task<(IReadOnlyList<string> Breaches, IReadOnlyList<PortCall> Met)> SweepAsync(Func<ShiftedTimeProvider, IBlobStore> store, FaultPhase phase, FaultKind kind, bool startsTooEarly, bool isRemote = false)
    {
        var counting = new FaultRun(store) { StartsTooEarly = startsTooEarly, IsRemote = isRemote };
        await counting.FindBreachesAsync(phase, step: 0, kind, Cancellation);
        var breaches = new ConcurrentBag<string>();
        var met = new ConcurrentBag<PortCall>();

        // The numbers beyond the last one are for a process that took a step more than the one that was counted.
        await Parallel.ForEachAsync(
            Enumerable.Range(1, counting.Steps + 2),
            new ParallelOptions { MaxDegreeOfParallelism = 6, CancellationToken = Cancellation },
            async (step, cancellationToken) =>
            {
                var run = new FaultRun(store) { StartsTooEarly = startsTooEarly, IsRemote = isRemote };
                foreach (var breach in await run.FindBreachesAsync(phase, step, kind, cancellationToken))
                {
                    breaches.Add($"{phase}, {kind} at step {step} ({run.Met}): {breach}");
                }

                if (run.Met is { } call)
                {
                    met.Add(call);
                }
            });
        return ([.. breaches.Order(StringComparer.Ordinal)], [.. met]);
    }

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
