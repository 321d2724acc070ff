using OzFunctions.Local;

namespace OzFunctions.Bench;

/// <summary>How many fsync calls one no-op run costs this product's own processes: counted by the kernel's tracer where it is installed.</summary>
internal static class DurableWrites
{
    public static async Task MeasureAsync(BenchPlace place, Report report, FloorCosts floors)
    {
        const int Runs = 20;
        await using var host = await BenchHost.StartAsync(place, place.Noop, slots: 1);
        var before = DurableFiles.Syncs;
        for (var run = 0; run < Runs; run++)
        {
            await host.RunAsync();
        }

        var accept = (DurableFiles.Syncs - before) / (double)Runs;
        report.Add("fsync calls to accept a run", accept, "calls", accept * floors.DurableWrite / 2, "ms of fsync at the floor");
    }
}
