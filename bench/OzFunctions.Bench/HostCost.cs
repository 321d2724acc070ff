using System.Globalization;

namespace OzFunctions.Bench;

/// <summary>What a host costs: processor and memory, idle and with eight agents that sleep.</summary>
internal static class HostCost
{
    private const double TicksPerSecond = 100;

    public static async Task MeasureAsync(BenchPlace place, Report report, TimeSpan span)
    {
        await using (var host = await BenchHost.StartAsync(place, place.Noop, slots: 8))
        {
            var share = await ShareAsync(host.Pid, span);
            report.Add("idle host, processor", share, "%", null, null, "< 1", share < 1);
            var memory = ReadStatus(host.Pid, "VmRSS") / 1024;
            report.Add("idle host, memory", memory, "MB", null, null, "≤ 100", memory <= 100);
        }

        var seconds = (int)span.TotalSeconds + 3;
        await using var busy = await BenchHost.StartQuietAsync(place, place.Script("sleepy", $"sleep {seconds}"), slots: 8);
        for (var run = 0; run < 8; run++)
        {
            await busy.SubmitAsync();
        }

        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        report.Add("host with 8 agents, processor", await ShareAsync(busy.Pid, span), "%");
        report.Add("host with 8 agents, memory", ReadStatus(busy.Pid, "VmRSS") / 1024, "MB");
    }

    /// <summary>A kB figure of <c>/proc/&lt;pid&gt;/status</c>.</summary>
    public static double ReadStatus(int pid, string name)
    {
        var line = File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith(name + ":", StringComparison.Ordinal));
        return double.Parse(line[(name.Length + 1)..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture);
    }

    private static async Task<double> ShareAsync(int pid, TimeSpan span)
    {
        var before = ReadProcessor(pid).Own;
        await Task.Delay(span, TimeProvider.System);
        return (ReadProcessor(pid).Own - before) / span.TotalSeconds * 100;
    }

    /// <summary>Processor seconds of a process, and of its children that it has waited for: of a host, its shims and their agents.</summary>
    public static (double Own, double Children) ReadProcessor(int pid)
    {
        var stat = File.ReadAllText($"/proc/{pid}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return ((Field(11) + Field(12)) / TicksPerSecond, (Field(13) + Field(14)) / TicksPerSecond);

        double Field(int number) => double.Parse(fields[number], CultureInfo.InvariantCulture);
    }
}
