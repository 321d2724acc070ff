using System.Diagnostics;
using OzFunctions.Runs;

namespace OzFunctions.Bench;

/// <summary>Fifty agents run, their host is killed, and a new one takes them over: from its first heartbeat until each record names it and each shim is attached to.</summary>
internal static class Adoption
{
    private const int Attempts = 50;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public static async Task MeasureAsync(BenchPlace place, Report report)
    {
        var go = Path.Join(place.Root, "go");
        var agent = place.Script("waiting", $"echo begun; while [ ! -e '{go}' ]; do sleep 1; done; echo over");
        await using var host = await BenchHost.StartQuietAsync(place, agent, slots: Attempts);
        var runs = new List<RunId>();
        for (var i = 0; i < Attempts; i++)
        {
            runs.Add(await host.SubmitAsync());
        }

        await UntilAsync(host, runs, record => record.State == RunState.InProgress);
        var started = await host.ReplaceAsync();
        var (first, hostId) = await host.WaitForHeartbeatAsync();
        await UntilAsync(host, runs, record => record.Owner?.HostId == hostId);
        var taken = Stopwatch.GetElapsedTime(first).TotalMilliseconds;
        report.Add($"{Attempts} running attempts adopted", taken, "ms", null, null, "≤ 1000", taken <= 1000);
        report.Add($"{Attempts} running attempts adopted, from the start of the process", Stopwatch.GetElapsedTime(started).TotalMilliseconds, "ms");

        // Each of them goes on to its own end under the new host.
        await File.WriteAllTextAsync(go, "");
        await UntilAsync(host, runs, record => record is { State: RunState.Succeeded, Starts: 1 });
    }

    private static async Task UntilAsync(BenchHost host, List<RunId> runs, Func<RunRecord, bool> condition)
    {
        var began = Stopwatch.GetTimestamp();
        var waiting = new HashSet<RunId>(runs);
        while (waiting.Count > 0)
        {
            foreach (var runId in waiting.ToList())
            {
                if (await host.Core.Records.FindAsync(runId, CancellationToken.None) is { } run && condition(run.Record))
                {
                    waiting.Remove(runId);
                }
            }

            if (Stopwatch.GetElapsedTime(began) > Patience)
            {
                throw new TimeoutException($"{waiting.Count} of {runs.Count} runs did not come to it.");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }
}
