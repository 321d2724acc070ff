using System.Diagnostics;
using OzFunctions.Local;

namespace OzFunctions.Bench;

/// <summary>What this machine costs at least, measured in the same run: median milliseconds, and for a process also those of the processor.</summary>
internal sealed record FloorCosts(double DurableWrite, double Process, double ProcessTime);

/// <summary>Measures the floors: one durable small file, and one process with two pipes in a directory made and removed.</summary>
internal static class Floors
{
    private const int Rounds = 100;

    public static FloorCosts Measure(BenchPlace place, Report report)
    {
        var directory = place.NewDirectory("floor");
        var file = Path.Join(directory, "document");
        var content = new byte[2048];
        var writes = Time(() => DurableFiles.Replace(file, content));
        var before = HostCost.ReadProcessor(Environment.ProcessId);
        var processes = Time(() =>
        {
            var workspace = Directory.CreateDirectory(Path.Join(directory, "workspace")).FullName;
            using var process = BenchPlace.Start("/bin/true", [], redirect: true);
            process.StandardOutput.ReadToEnd();
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            Directory.Delete(workspace);
        });
        var after = HostCost.ReadProcessor(Environment.ProcessId);
        var processor = (after.Own + after.Children - before.Own - before.Children) * 1000 / Rounds;
        report.Add("floor: durable 2 KB file p50", writes.Percentile(50), "ms");
        report.Add("floor: process, pipes, directory p50", processes.Percentile(50), "ms");
        report.Add("floor: processor time of it", processor, "ms");
        return new(writes.Percentile(50), processes.Percentile(50), processor);
    }

    private static List<double> Time(Action action)
    {
        var times = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            var began = Stopwatch.GetTimestamp();
            action();
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }

        return times;
    }
}
