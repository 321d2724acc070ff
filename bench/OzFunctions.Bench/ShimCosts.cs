using System.Diagnostics;
using System.Globalization;
using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Bench;

/// <summary>What supervision costs: starting a shim and a command under it, its memory, and the end of a tree.</summary>
internal static class ShimCosts
{
    private const int TreeSize = 200;
    private const long LargestNative = 5 << 20;

    public static async Task MeasureAsync(BenchPlace place, Report report, FloorCosts floors, int rounds)
    {
        var root = place.NewDirectory("shims");
        var binary = await ShimBinary.InstallAsync(ShimBinary.Beside(AppContext.BaseDirectory), root, CancellationToken.None);
        var native = new FileInfo(binary).Length < LargestNative;
        var shims = new Shims(new(binary), TimeProvider.System);
        await MeasureStartAsync(shims, place, report, floors, rounds, native);
        var bare = BareStart(place, rounds);
        report.Add("floor: bare spawn → first line of bash p50", bare, "ms");
        var over = await CommandStartAsync(shims, place, rounds, new()) - bare;
        report.Add("command start on a running shim, over bare", over, "ms", over / bare, "bare spawn", "≤ 3", over <= 3);
        over = await CommandStartAsync(shims, place, rounds, new() { OpenFiles = 4096 }) - bare;
        report.Add("the same with a limit that the shim holds (open_files)", over, "ms", over / bare, "bare spawn", "≤ 3", over <= 3);
        over = await CommandStartAsync(shims, place, rounds, new() { Nice = 0, OpenFiles = 1024 }) - bare;
        report.Add("the same with limits to be taken", over, "ms", over / bare, "bare spawn", native ? "≤ 3" : null, native ? over <= 3 : null);
        var dead = await TreeAsync(shims, place, Math.Max(5, rounds / 10));
        report.Add($"{TreeSize} processes in sessions of their own, dead", dead, "ms", dead / floors.Process, "process, pipes, directory", "≤ 100", dead <= 100);
    }

    private static async Task MeasureStartAsync(Shims shims, BenchPlace place, Report report, FloorCosts floors, int rounds, bool native)
    {
        var times = new List<double>();
        var memory = new List<double>();
        for (var round = 0; round < rounds; round++)
        {
            var began = Stopwatch.GetTimestamp();
            await using var shim = await shims.LaunchAsync(new() { PrivateDirectory = place.NewDirectory("private"), Lease = TimeSpan.FromMinutes(1) }, CancellationToken.None);
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            memory.Add(HostCost.ReadStatus(shim.Status.Pid, "VmRSS") / 1024);
            await shim.EndAsync(CancellationToken.None);
        }

        var (most, mostMemory) = native ? (5, 10) : (30, 30);
        var start = times.Percentile(50);
        report.Add($"shim start → ready p50 ({(native ? "native" : "single file")})", start, "ms", start / floors.Process, "process, pipes, directory", Aim(most), start <= most);
        report.Add("shim memory, resident", memory.Percentile(50), "MB", null, null, Aim(mostMemory), memory.Percentile(50) <= mostMemory);
    }

    /// <summary>From the call to the first thing that the program does.</summary>
    private static double BareStart(BenchPlace place, int rounds)
    {
        var mark = Path.Join(place.NewDirectory("bare"), "mark");
        var times = new List<double>();
        for (var round = 0; round < rounds; round++)
        {
            var began = TimeProvider.System.GetUtcNow();
            using var process = BenchPlace.Start("/bin/bash", ["-c", $"echo $EPOCHREALTIME > {mark}"], redirect: false);
            process.WaitForExit();
            times.Add((ReadMark(mark) - began).TotalMilliseconds);
        }

        return times.Percentile(50);
    }

    private static async Task<double> CommandStartAsync(Shims shims, BenchPlace place, int rounds, ShimLimits limits)
    {
        var mark = Path.Join(place.NewDirectory("started"), "mark");
        await using var shim = await shims.LaunchAsync(new() { PrivateDirectory = place.NewDirectory("private"), Lease = TimeSpan.FromMinutes(5), Limits = limits }, CancellationToken.None);
        var times = new List<double>();
        for (var round = 0; round < rounds; round++)
        {
            var command = Command(place, $"{ShimPhase.Changes}:{round.ToString(CultureInfo.InvariantCulture)}", "/bin/bash", $"echo $EPOCHREALTIME > {mark}");
            var began = TimeProvider.System.GetUtcNow();
            await shim.StartAsync(command, CancellationToken.None);
            await shim.WaitAsync(command.Phase, CancellationToken.None);
            times.Add((ReadMark(mark) - began).TotalMilliseconds);
        }

        await shim.EndAsync(CancellationToken.None);
        return times.Percentile(50);
    }

    private static async Task<double> TreeAsync(Shims shims, BenchPlace place, int rounds)
    {
        var directory = place.NewDirectory("private");
        await using var shim = await shims.LaunchAsync(new() { PrivateDirectory = directory, Lease = TimeSpan.FromMinutes(5) }, CancellationToken.None);
        var times = new List<double>();
        for (var round = 0; round < rounds; round++)
        {
            var phase = $"{ShimPhase.Changes}:{round.ToString(CultureInfo.InvariantCulture)}";
            var script = $"i=0; while [ $i -lt {TreeSize} ]; do setsid sleep 300 & i=$((i+1)); done; echo up >&2; exec sleep 300";
            using var reader = new SpoolReader(Path.Join(directory, ShimProtocol.SpoolDirectory), SpoolPosition.Start);
            while (reader.TryRead(out _))
            {
            }

            await shim.StartAsync(Command(place, phase, "/bin/sh", script), CancellationToken.None);
            await shim.WaitForOutputAsync(reader.Position, TimeSpan.FromMinutes(1), CancellationToken.None);
            var began = Stopwatch.GetTimestamp();
            await shim.StopAsync(ShimStopCause.Cancel, TimeSpan.Zero, CancellationToken.None);
            var status = await shim.WaitAsync(phase, CancellationToken.None);
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            if (!status.Clean || status.EndedDescendants < TreeSize)
            {
                throw new InvalidOperationException($"Of {TreeSize} processes {status.EndedDescendants} were ended.");
            }
        }

        await shim.EndAsync(CancellationToken.None);
        return times.Percentile(50);
    }

    private static ShimCommand Command(BenchPlace place, string phase, string shell, string script) => new()
    {
        Phase = phase,
        Arguments = [shell, "-c", script],
        Environment = ["PATH=/usr/local/bin:/usr/bin:/bin"],
        WorkingDirectory = place.Root,
    };

    private static DateTimeOffset ReadMark(string path) =>
        DateTimeOffset.UnixEpoch + TimeSpan.FromTicks((long)(decimal.Parse(File.ReadAllText(path).Trim(), CultureInfo.InvariantCulture) * TimeSpan.TicksPerSecond));

    private static string Aim(int most) => string.Create(CultureInfo.InvariantCulture, $"≤ {most}");
}
