using System.Globalization;
using System.Text;
using System.Text.Json;
using OzFunctions.Runs;

namespace OzFunctions.Bench;

/// <summary>From an agent's line to a reader who follows the log in the store.</summary>
internal static class LineDelay
{
    public static async Task MeasureAsync(BenchPlace place, Report report, int lines)
    {
        var agent = place.Script("slow", $"for i in $(seq {lines}); do echo \"at $EPOCHREALTIME\"; sleep 0.03; done", "/bin/bash");
        await using var host = await BenchHost.StartQuietAsync(place, agent);
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
                foreach (var json in whole.Split('\n', StringSplitOptions.RemoveEmptyEntries))
                {
                    using var parsed = JsonDocument.Parse(json);
                    if (parsed.RootElement.TryGetProperty("m", out var message) && message.GetString()!.StartsWith("at ", StringComparison.Ordinal))
                    {
                        var written = DateTimeOffset.UnixEpoch + TimeSpan.FromTicks((long)(decimal.Parse(message.GetString()!.AsSpan(3), CultureInfo.InvariantCulture) * TimeSpan.TicksPerSecond));
                        delays.Add((now - written).TotalMilliseconds);
                    }
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }

        await done;
        report.Add("line→readable p50", delays.Percentile(50), "ms");
        report.Add("line→readable p99", delays.Percentile(99), "ms", null, null, "≤ 1000", delays.Percentile(99) <= 1000);
    }
}
