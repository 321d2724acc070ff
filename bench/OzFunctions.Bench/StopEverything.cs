using System.Diagnostics;
using OzFunctions.Runs;

namespace OzFunctions.Bench;

/// <summary>The red button: <c>ozf workers pause</c> and <c>ozf runs cancel --all</c> with many agents running, until the last run has ended and said so.</summary>
internal static class StopEverything
{
    public static async Task MeasureAsync(BenchPlace place, Report report, int runs)
    {
        // Ends by the first signal: what is measured is ours, not an agent's grace.
        var agent = place.Script("hanging", "exec sleep 600");
        await using var host = await BenchHost.StartQuietAsync(place, agent, "limits: { memory_free: 0 }", runs);
        var open = new HashSet<RunId>();
        for (var i = 0; i < runs; i++)
        {
            open.Add(await host.SubmitAsync());
        }

        foreach (var run in open)
        {
            while ((await host.Core.Records.FindAsync(run, CancellationToken.None))!.Record.State != RunState.InProgress)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        }

        var began = Stopwatch.GetTimestamp();
        await CallAsync("workers", "pause", "local", "--data", host.Data);
        await CallAsync("runs", "cancel", "--all", "--data", host.Data);
        var told = Stopwatch.GetElapsedTime(began).TotalSeconds;
        while (open.Count > 0)
        {
            if (await host.NextCompletionAsync() is { } completed)
            {
                open.Remove(completed.RunId);
            }
        }

        var took = Stopwatch.GetElapsedTime(began).TotalSeconds;
        report.Add($"stop everything: {runs} runs told", told, "s");
        report.Add($"stop everything: {runs} runs ended", took, "s", null, null, "≤ 3", took <= 3);
    }

    private static async Task CallAsync(params string[] arguments)
    {
        using var call = BenchPlace.Start(BenchPlace.Program, arguments, redirect: true);
        await call.StandardOutput.ReadToEndAsync();
        await call.WaitForExitAsync();
        if (call.ExitCode != 0)
        {
            throw new InvalidOperationException($"ozf {string.Join(' ', arguments)} ended with {call.ExitCode}: {await call.StandardError.ReadToEndAsync()}");
        }
    }
}
