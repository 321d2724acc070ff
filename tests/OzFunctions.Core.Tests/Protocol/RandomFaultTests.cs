using System.Globalization;
using OzFunctions.AzureStorage;
using OzFunctions.Blobs;
using OzFunctions.Core.Tests.Simulation;
using OzFunctions.Files;
using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.Core.Tests.Protocol;

/// <summary>
/// Guarantees 1 to 5 under faults by chance. By hand: <c>OZF_FAULT_SECONDS=3600</c> for as long as you like, <c>OZF_FAULT_SEED=n</c> for one round again,
/// <c>OZF_FAULT_STORE=files</c> or <c>azurite</c> for plain files or Azurite instead of memory.
/// </summary>
public sealed class RandomFaultTests(ITestOutputHelper output)
{
    private const int Standard = 30;

    [Fact(Timeout = 24 * 3_600_000)]
    public Task Faults_by_chance_on_two_hosts_break_no_guarantee() =>
        RunAsync(Environment.GetEnvironmentVariable("OZF_FAULT_STORE") ?? "memory", Number("OZF_FAULT_SECONDS") ?? (Number("OZF_FAULT_SEED") is null ? Standard : 0));

    /// <summary>One round, for each takes its time there.</summary>
    [Fact(Timeout = 1_800_000)]
    public Task Faults_by_chance_on_Azurite_break_no_guarantee() => RunAsync("azurite", seconds: 0);

    private async Task RunAsync(string store, int seconds)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var seed = Number("OZF_FAULT_SEED") ?? Random.Shared.Next(1_000_000_000);
        var began = TimeProvider.System.GetTimestamp();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"First seed: {seed}"));
        var (rounds, runs, faults) = (0, 0, 0);
        do
        {
            using var place = new TempDirectory();
            using var files = store == "files" ? new OpenFiles(place["data"]) : null;

            // One of its own: a night of rounds would fill the memory of a single one.
            await using var emulator = store == "azurite" ? await AzuriteProcess.StartAsync(cancellation) : null;
            var round = new RandomRound(seed + rounds, emulator is not null ? clock => OpenAzurite(emulator, clock) : files is null ? null : files.Open) { IsRemote = emulator is not null };
            var breaches = await round.FindBreachesAsync(cancellation);
            var story = round.Story.ToList();
            Assert.True(
                breaches.Count == 0,
                string.Create(CultureInfo.InvariantCulture, $"OZF_FAULT_STORE={store} OZF_FAULT_SEED={seed + rounds} shows it again:\n{string.Join('\n', breaches)}\n\n{string.Join('\n', story)}"));
            (rounds, runs, faults) = (rounds + 1, runs + round.Runs, faults + story.Count);
        }
        while (TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(seconds));

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{rounds} rounds, {runs} runs, {faults} faults"));
    }

    /// <summary>A store of plain files on the world's clock.</summary>
    private sealed class OpenFiles(string directory) : IDisposable
    {
        private FilesStore? _store;

        public IBlobStore Open(TimeProvider time) => new FilesBlobStore(_store = FilesStore.Open(new() { Directory = directory, UseWatches = false, Durability = Durability.Process }, time));

        public void Dispose() => _store?.Dispose();
    }

    private static ShiftedAges OpenAzurite(AzuriteProcess emulator, ShiftedTimeProvider clock) =>
        new(new AzureBlobStore(StorageAccount.Open(emulator.TakeAccount(), new(), TimeProvider.System)), clock);

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number) ? number : null;
}
