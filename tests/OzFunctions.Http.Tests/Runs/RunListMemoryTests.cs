namespace OzFunctions.Http.Tests.Runs;

/// <summary>What the process holds is measured: nothing else may run meanwhile.</summary>
[Collection(nameof(RunListMemoryTests))]
[CollectionDefinition(nameof(RunListMemoryTests), DisableParallelization = true)]
public sealed class RunListMemoryTests
{
    private const string Path = "/api/v1/agent/runs";

    private readonly DoorRig _rig = new();

    [Fact]
    public async Task A_list_lets_go_of_the_records_that_it_only_looked_at()
    {
        const int Runs = 400;
        var prompt = new string('x', 100_000);
        for (var i = 0; i < Runs; i++)
        {
            await _rig.SubmitAsync($$"""{"prompt":"{{prompt}}"}""");
        }

        var before = GC.GetTotalMemory(forceFullCollection: true);
        var (byOrder, byFilter) = (await HoldAsync("sort_by=title"), await HoldAsync("q=nothing-says-this"));

        // Of 80 MB that all of them are.
        Assert.InRange(byOrder, long.MinValue, 40_000_000);
        Assert.InRange(byFilter, long.MinValue, 40_000_000);

        async Task<long> HoldAsync(string query)
        {
            var (reads, held) = (0, 0L);
            _rig.Blobs.Before = (method, name) =>
            {
                if (method == "FindAsync" && name.StartsWith("runs/", StringComparison.Ordinal) && Interlocked.Increment(ref reads) == Runs)
                {
                    held = GC.GetTotalMemory(forceFullCollection: true);
                }

                return Task.CompletedTask;
            };
            (await _rig.GetAsync($"{Path}?limit=1&{query}")).Is(200);
            return held > 0 ? held - before : throw new InvalidOperationException($"{reads} records were read.");
        }
    }
}
