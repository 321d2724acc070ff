using System.Diagnostics;
using System.Globalization;

namespace OzFunctions.Bench;

/// <summary>An agent that writes 80-byte lines as fast as it can, cap off: megabytes of its output a second until the sealed log stands, and the host's memory.</summary>
internal static class LogSpeed
{
    public static async Task MeasureAsync(BenchPlace place, Report report, long bytes)
    {
        var line = new string('x', 79);
        var agent = place.Script("chatty", $"yes {line} | head -c {bytes}");
        await using var chatty = await BenchHost.StartQuietAsync(place, agent, "limits:\n  log_bytes: 2GiB\n  spool_bytes: 16GiB");
        var began = Stopwatch.GetTimestamp();
        var runId = await chatty.SubmitAsync();
        await chatty.WaitForCompletionAsync(runId);
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var record = (await chatty.Core.Records.FindAsync(runId, CancellationToken.None))!.Record;
        var lines = record.CurrentAttempt!.Log!.Lines;
        if (lines < bytes / 80)
        {
            throw new InvalidOperationException($"The log has {lines} lines, {bytes / 80} were written: {record.Message}");
        }

        var rate = bytes / seconds / 1e6;
        report.Add("log, 80-byte lines, cap off", rate, "MB/s", null, null, "≥ 50", rate >= 50);
        var peak = HostCost.ReadStatus(chatty.Pid, "VmHWM") / 1024;
        report.Add($"host memory peak over {(bytes >> 20).ToString(CultureInfo.InvariantCulture)} MiB of log", peak, "MB", null, null, "≤ 150", peak <= 150);
    }
}
