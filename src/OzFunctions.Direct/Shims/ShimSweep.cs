using System.Globalization;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>
/// Finds the processes of a dead shim by the number in their hard limit RLIMIT_LOCKS, which setsid, double forks and an emptied environment do not remove, and kills
/// them by descriptors that cannot name a later process.
/// </summary>
internal sealed class ShimSweep(ShimStatus status, TimeProvider time)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);

    /// <summary>How many were ended. Throws <see cref="ShimException"/> when some stay.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        if (ReadProc("/proc/sys/kernel/random/boot_id").Trim() != status.BootId)
        {
            // Another boot: nothing of it can be left.
            return 0;
        }

        var group = status.Cgroup is { } path ? new LeftGroup(path) : null;
        var ended = new HashSet<int>(group?.End() ?? []);
        var begun = time.GetTimestamp();
        for (var quiet = 0; quiet < 2;)
        {
            var found = new List<int>();
            foreach (var pid in Processes())
            {
                if (IsOurs(pid) && KillIfOurs(pid))
                {
                    found.Add(pid);
                }
            }

            ended.UnionWith(found);
            quiet = found.Count == 0 ? quiet + 1 : 0;
            if (quiet < 2)
            {
                if (found.Count > 0 && time.GetElapsedTime(begun) > Limit)
                {
                    throw new ShimException($"Processes {string.Join(", ", found)} of a dead shim could not be ended.");
                }

                await Task.Delay(Pause, time, cancellationToken);
            }
        }

        group?.Remove();
        return ended.Count;
    }

    private bool KillIfOurs(int pid)
    {
        var process = ShimLibc.OpenProcess(pid);
        if (process < 0)
        {
            return false;
        }

        // Asked again with the descriptor in hand: between list and kill the pid may have got another owner.
        var ours = IsOurs(pid);
        if (ours)
        {
            _ = ShimLibc.SignalProcess(process, ShimLibc.SigKill);
        }

        _ = ShimLibc.Close(process);
        return ours;
    }

    private bool IsOurs(int pid)
    {
        var stat = ReadProc($"/proc/{pid}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length < 20 || fields[0] is "Z" or "X")
        {
            return false;
        }

        return status.Tag != 0 ? HasTag(pid) : IsInRecordedSession(pid, fields);
    }

    private bool HasTag(int pid)
    {
        foreach (var line in ReadProc($"/proc/{pid}/limits").AsSpan().EnumerateLines())
        {
            if (line.StartsWith("Max file locks", StringComparison.Ordinal))
            {
                // Soft, then hard; a process may lower its soft one.
                var columns = line["Max file locks".Length..].ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries);
                return columns.Length > 1 && columns[1] == status.Tag.ToString(CultureInfo.InvariantCulture);
            }
        }

        return false;
    }

    /// <summary>Where no tag could be set: the leader, and who stayed in its session.</summary>
    private bool IsInRecordedSession(int pid, string[] fields)
    {
        var session = int.Parse(fields[3], CultureInfo.InvariantCulture);
        var startTicks = long.Parse(fields[19], CultureInfo.InvariantCulture);
        return status.Commands.Any(command => !command.Ended && command.Pid > 0 && command.Pid == session
            && (pid == command.Pid ? startTicks == command.StartTicks : startTicks >= command.StartTicks && !LeaderIsAnother(command)));
    }

    private static bool LeaderIsAnother(ShimCommandStatus command)
    {
        var stat = ReadProc($"/proc/{command.Pid}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length >= 20 && fields[19] != command.StartTicks.ToString(CultureInfo.InvariantCulture);
    }

    private static IEnumerable<int> Processes()
    {
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                yield return pid;
            }
        }
    }

    private static string ReadProc(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            // Gone meanwhile, or a stranger's.
            return "";
        }
    }
}
