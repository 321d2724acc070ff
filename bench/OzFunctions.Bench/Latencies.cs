namespace OzFunctions.Bench;

/// <summary>accept→exec: from the answer to the submitter to the agent's first line; exit→event: from its last line to the event in a consumer's hands.</summary>
internal static class Latencies
{
    public static async Task MeasureAsync(BenchPlace place, Report report, FloorCosts floors, int runs)
    {
        await using var host = await BenchHost.StartAsync(place, place.Marking, slots: 2);
        var toExec = new List<double>();
        var toEvent = new List<double>();
        var accept = new List<double>();
        for (var run = 0; run < runs; run++)
        {
            var asked = TimeProvider.System.GetTimestamp();
            var runId = await host.SubmitAsync();
            accept.Add(TimeProvider.System.GetElapsedTime(asked).TotalMilliseconds);
            var accepted = TimeProvider.System.GetUtcNow();
            var completed = await host.WaitForCompletionAsync(runId);
            toExec.Add((place.ReadMark(runId.Value, "start") - accepted).TotalMilliseconds);
            toEvent.Add((completed - place.ReadMark(runId.Value, "end")).TotalMilliseconds);
        }

        var floor = floors.DurableWrite * 2 + floors.Process;
        report.Add("accept p50", accept.Percentile(50), "ms", accept.Percentile(50) / floors.DurableWrite, "durable write");
        report.Add("accept→exec p50", toExec.Percentile(50), "ms", toExec.Percentile(50) / floor, "2 durable writes + process", "≤ 10", toExec.Percentile(50) <= 10);
        report.Add("accept→exec p99", toExec.Percentile(99), "ms", toExec.Percentile(99) / floor, "2 durable writes + process");
        report.Add("exit→event p50", toEvent.Percentile(50), "ms", toEvent.Percentile(50) / (2 * floors.DurableWrite), "2 durable writes", "≤ 15", toEvent.Percentile(50) <= 15);
        report.Add("exit→event p99", toEvent.Percentile(99), "ms", toEvent.Percentile(99) / (2 * floors.DurableWrite), "2 durable writes");
    }
}
