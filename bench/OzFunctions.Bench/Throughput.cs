namespace OzFunctions.Bench;

/// <summary>No-op runs a second: all are waiting before the first is counted.</summary>
internal static class Throughput
{
    public static async Task MeasureAsync(BenchPlace place, Report report, FloorCosts floors, int slots, int runs)
    {
        await using var host = await BenchHost.StartAsync(place, place.Noop, slots);
        await host.Core.Workers.SetPausedAsync("local", true, CancellationToken.None);
        await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System);
        for (var run = 0; run < runs; run++)
        {
            await host.SubmitAsync();
        }

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
        var floor = 1000 / floors.Process;
        var aim = slots == 8;
        report.Add($"no-op runs/s, {slots} slot{(slots == 1 ? "" : "s")}", rate, "1/s", floor / rate, "bare processes/s over it", aim ? "≥ 100" : null, aim ? rate >= 100 : null);
    }
}
