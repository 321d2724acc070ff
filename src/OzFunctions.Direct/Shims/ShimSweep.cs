using System.Globalization;
using OzFunctions.Local;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>
/// Finds the processes of a dead shim by the number in their hard limit RLIMIT_LOCKS, or in RLIMIT_RSS for those of a shim inside it, which setsid, double forks and
/// an emptied environment do not remove, and kills them by descriptors that cannot name a later process.
/// </summary>
internal sealed class ShimSweep(string privateDirectory, ShimStatus status, TimeProvider time)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(200);

    /// <summary>Looks in a row that find nobody: one that forks and ends every millisecond hides from a single look every few times.</summary>
    private const int QuietLooks = 25;

    /// <summary>Fewer do not end it: a machine that stood still for the whole time proves nothing.</summary>
    private const int LeastLooks = 25;

    /// <summary>How many were ended. Throws <see cref="ShimException"/> when some stay.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        if (BootId.Current != status.BootId)
        {
            // Another boot: nothing of it can be left.
            return 0;
        }

        var group = LeftGroup.Find(status.Cgroup, privateDirectory);
        var ended = new HashSet<int>(group?.End() ?? []);
        var begun = time.GetTimestamp();

        // Whoever forks while it is looked for is found another time. Where the shim itself saw the last one end, one look is the proof of it.
        var looks = status.Commands.Count > 0 && status.Commands.All(command => command is { Ended: true, Clean: true }) ? 1 : QuietLooks;
        var pause = Pause;
        for (int quiet = 0, made = 1; quiet < looks; made++)
        {
            var found = new List<int>();

            // The newest first, which the kernel lists last: one that forks and ends all the time is asked before it has gone.
            foreach (var pid in Processes().OrderDescending())
            {
                if (IsOurs(pid) && KillIfOurs(pid))
                {
                    found.Add(pid);
                }
            }

            // Who stays though it was killed is not waited for at full speed; who forks is.
            pause = found.Count == 0 || !found.TrueForAll(ended.Contains) ? Pause : pause * 2 < LongestPause ? pause * 2 : LongestPause;
            ended.UnionWith(found);
            quiet = found.Count == 0 ? quiet + 1 : 0;
            looks = found.Count == 0 ? looks : QuietLooks;
            if (quiet < looks)
            {
                if (found.Count > 0 && made > LeastLooks && time.GetElapsedTime(begun) > Limit)
                {
                    throw new ShimException($"Processes {string.Join(", ", found)} of a dead shim could not be ended.");
                }

                await Task.Delay(pause, time, cancellationToken);
            }
        }

        group?.Remove();
        return ended.Count;
    }

    /// <summary>Who carries the mark now; nobody is ended.</summary>
    public IReadOnlyList<int> Look() => BootId.Current != status.BootId ? [] : [.. Processes().Where(IsOurs)];

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
        // Cheapest first: every process of the machine is asked.
        if (status.Tag != 0 && !ShimTag.IsOn(pid, status.Tag))
        {
            return false;
        }

        return ProcessStat.Find(pid) is { IsOver: false } stat && (status.Tag != 0 || IsInRecordedSession(pid, stat));
    }

    /// <summary>Where no tag could be set: the leader, and who stayed in its session.</summary>
    private bool IsInRecordedSession(int pid, ProcessStat stat) =>
        status.Commands.Any(command => !command.Ended && command.Pid > 0 && command.Pid == stat.Session
            && (pid == command.Pid ? stat.StartTicks == command.StartTicks : stat.StartTicks >= command.StartTicks && !LeaderIsAnother(command)));

    private static bool LeaderIsAnother(ShimCommandStatus command) => ProcessStat.Find(command.Pid) is { } leader && leader.StartTicks != command.StartTicks;

    public static IEnumerable<int> Processes()
    {
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                yield return pid;
            }
        }
    }
}
