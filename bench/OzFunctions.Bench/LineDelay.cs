using System.Text;
using OzFunctions.Runs;

namespace OzFunctions.Bench;

/// <summary>From an agent's line to a reader who follows the log in the store.</summary>
internal static class LineDelay
{
    public static async Task MeasureAsync(BenchPlace place, Report report, int lines)
    {
        await using var host = await BenchHost.StartQuietAsync(place, LineStamps.Agent(place, lines));
        var runId = await host.SubmitAsync();
        var name = RunBlobs.Log(runId, 1);
        var delays = new List<double>();
        long offset = 0;
        var done = host.WaitForCompletionAsync(runId);
        while (!done.IsCompleted)
        {
            var stream = await host.Core.Ports.Blobs.OpenReadAsync(name, offset, null, CancellationToken.None);
            if (stream is not null)
            {
                using var reader = new StreamReader(stream, Encoding.UTF8);
                var text = await reader.ReadToEndAsync();
                var now = TimeProvider.System.GetUtcNow();
                var whole = text[..(text.LastIndexOf('\n') + 1)];
                offset += Encoding.UTF8.GetByteCount(whole);
                delays.AddRange(whole.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(json => LineStamps.FindDelay(json, now)).OfType<double>());
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        await done;
        report.Add("line→readable p50", delays.Percentile(50), "ms");
        report.Add("line→readable p99", delays.Percentile(99), "ms", null, null, "≤ 1000", delays.Percentile(99) <= 1000);
    }
}
