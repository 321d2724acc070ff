namespace OzFunctions.Bench;

/// <summary>No-op runs a second, and what each costs in processor time: all are waiting before the first is counted, and the host is warm.</summary>
internal static class Throughput
{
    private const int WarmUp = 400;

    public static async Task MeasureAsync(BenchPlace place, Report report, FloorCosts floors, int slots, int runs)
    {
        await using var host = await BenchHost.StartAsync(place, place.Noop, slots);
        await RunAllAsync(host, WarmUp);
        var (rate, cost) = await RunAllAsync(host, runs);
        var floor = 1000 / floors.Process;
        var aim = slots == 8;
        var name = $"{slots} slot{(slots == 1 ? "" : "s")}";
        report.Add($"no-op runs/s, {name}", rate, "1/s", floor / rate, "bare processes/s over it", aim ? "≥ 100" : null, aim ? rate >= 100 : null);
        report.Add($"processor of the host per run, {name}", cost.Own, "ms", cost.Own / floors.ProcessTime, "processor time of a bare process");
        report.Add($"processor of shim and agent per run, {name}", cost.Children, "ms", cost.Children / floors.ProcessTime, "processor time of a bare process");
    }

    private static async Task<(double Rate, (double Own, double Children) Milliseconds)> RunAllAsync(BenchHost host, int runs)
    {
        // A host reads whether it is paused every two seconds.
        await host.Core.Workers.SetPausedAsync("local", true, CancellationToken.None);
        await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System);
        for (var run = 0; run < runs; run++)
        {
            await host.SubmitAsync();
        }

        var before = HostCost.ReadProcessor(host.Pid);
        await host.Core.Workers.SetPausedAsync("local", false, CancellationToken.None);
        DateTimeOffset? first = null;
        var last = default(DateTimeOffset);
        var completed = 0;
        while (completed < runs)
        {
            if (await host.NextCompletionAsync() is { } next)
            {
                first ??= next.At;
                last = next.At;
                completed++;
            }
        }

        var rate = (completed - 1) / (last - first!.Value).TotalSeconds;
        var after = HostCost.ReadProcessor(host.Pid);
        return (rate, ((after.Own - before.Own) * 1000 / runs, (after.Children - before.Children) * 1000 / runs));
    }
}
