using System.Diagnostics;
using OzFunctions.Files;

namespace OzFunctions.Bench;

/// <summary>A tick with many schedules and none due, and the first one of a process, which reads them all.</summary>
internal static class ScheduleLook
{
    public static async Task MeasureAsync(BenchPlace place, Report report, int schedules)
    {
        var (files, core) = BenchHost.Open(place.NewDirectory("schedules"), Durability.Process);
        using (files)
        {
            for (var n = 0; n < schedules; n++)
            {
                await core.Schedules.CreateAsync($"s{n}", new() { Cron = $"{n % 60} 3 29 2 *", TimeZone = "Europe/Berlin", Request = new() { Prompt = "p" } }, false, null, CancellationToken.None);
            }

            var began = Stopwatch.GetTimestamp();
            await core.Tick.TickAsync(CancellationToken.None);
            report.Add($"first tick over {schedules} schedules", Stopwatch.GetElapsedTime(began).TotalMilliseconds, "ms", null, null, null, null);
            var times = new List<double>();
            for (var round = 0; round < 30; round++)
            {
                began = Stopwatch.GetTimestamp();
                await core.Tick.TickAsync(CancellationToken.None);
                times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            }

            report.Add($"tick over {schedules} schedules, none due, p50", times.Percentile(50), "ms", null, null, "≤ 50", times.Percentile(50) <= 50);
        }
    }
}
