using System.Diagnostics;
using OzFunctions.Files;
using OzFunctions.Runs;

namespace OzFunctions.Bench;

/// <summary>The first page of a list of many runs, with state and title.</summary>
internal static class Listing
{
    public static async Task MeasureAsync(BenchPlace place, Report report, int runs)
    {
        var (files, core) = BenchHost.Open(place.NewDirectory("many"), Durability.Process);
        using (files)
        {
            var now = TimeProvider.System.GetUtcNow();
            for (var run = 0; run < runs; run++)
            {
                await core.Records.TryCreateAsync(
                    new()
                    {
                        RunId = RunId.Create(TimeProvider.System),
                        State = RunState.Queued,
                        CreatedAt = now,
                        UpdatedAt = now,
                        WorkerId = "local",
                        Request = new() { Prompt = "p", Title = "A title of a usual length for a run" },
                        Trigger = new() { Kind = TriggerKind.Cli },
                    },
                    CancellationToken.None);
            }

            var times = new List<double>();
            for (var round = 0; round < 20; round++)
            {
                var began = Stopwatch.GetTimestamp();
                var page = await core.Records.ListAsync(null, 100, null, CancellationToken.None);
                times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                if (page.Runs.Count != 100)
                {
                    throw new InvalidOperationException($"The page has {page.Runs.Count} runs.");
                }
            }

            report.Add($"first page of {runs} runs p50", times.Percentile(50), "ms", null, null, "≤ 50", times.Percentile(50) <= 50);
        }
    }
}
