using System.Globalization;

namespace OzFunctions.Shim.Tests.Commands;

/// <summary>A control group that bounds the number of processes: no bomb is lit outside of one whose limit was read back.</summary>
internal sealed class PidsGroup : IAsyncDisposable
{
    /// <summary>Names a group that root has made and given to an ordinary user.</summary>
    public const string Given = "OZF_TEST_PIDS_GROUP";

    public const int Most = 200;
    private readonly TestGroup? _made;

    private PidsGroup(string path, TestGroup? made) => (Path, _made) = (path, made);

    public string Path { get; }

    public string EntryFile => System.IO.Path.Combine(Path, "cgroup.procs");

    /// <summary>Skips the test when this machine has none to give.</summary>
    public static async Task<PidsGroup> GetAsync()
    {
        if (Environment.GetEnvironmentVariable(Given) is { } given)
        {
            return new PidsGroup(given, made: null);
        }

        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root, for a control group that bounds the number of processes");
        foreach (var mount in Mounts())
        {
            if (TestGroup.TryMake(mount) is not { } made)
            {
                continue;
            }

            if (TryBound(made))
            {
                return new PidsGroup(made.Path, made);
            }

            await made.DisposeAsync();
        }

        throw Xunit.Sdk.SkipException.ForSkip("needs a control group that bounds the number of processes (the pids controller)");
    }

    /// <summary>Lets an ordinary user put its own processes in.</summary>
    public void GiveTo(int uid) => Assert.Equal(0, Signals.ChangeOwner(EntryFile, uid, uid));

    /// <summary>That the process is in the group and the group is bounded; a bomb is lit only after this.</summary>
    public void AssertHolds(int pid)
    {
        Assert.Equal(Most.ToString(CultureInfo.InvariantCulture), File.ReadAllText(System.IO.Path.Combine(Path, "pids.max")).Trim());
        Assert.Contains("/" + System.IO.Path.GetFileName(Path) + "\n", File.ReadAllText($"/proc/{pid}/cgroup"), StringComparison.Ordinal);
    }

    /// <summary>Waits until forks are refused; the kernel gives no other signal of that.</summary>
    public async Task FullAsync()
    {
        while (int.Parse(File.ReadAllText(System.IO.Path.Combine(Path, "pids.current")), CultureInfo.InvariantCulture) < Most - 5)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, ShimRig.Cancellation);
        }
    }

    public ValueTask DisposeAsync() => _made?.DisposeAsync() ?? ValueTask.CompletedTask;

    /// <summary>False where the mount's groups bound nothing: another one may.</summary>
    private static bool TryBound(TestGroup group)
    {
        var most = System.IO.Path.Combine(group.Path, "pids.max");
        try
        {
            if (File.Exists(most))
            {
                File.WriteAllText(most, Most.ToString(CultureInfo.InvariantCulture));
                return true;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Here, too, another mount may do.
        }

        return false;
    }

    private static IEnumerable<string> Mounts() => File.ReadLines("/proc/self/mountinfo")
        .Select(line => line.Split(' '))
        .Where(fields => fields.Contains("cgroup2") || (fields.Contains("cgroup") && fields[^1].Split(',').Contains("pids")))
        .Select(fields => fields[4]);
}
