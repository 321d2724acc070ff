using System.Globalization;

namespace OzFunctions.Shim.Tests.Commands;

/// <summary>A control group that bounds the number of processes: no bomb is lit outside of one whose limit was read back.</summary>
internal sealed class PidsGroup : IDisposable
{
    /// <summary>Names a group that root has made and given to an ordinary user.</summary>
    public const string Given = "OZF_TEST_PIDS_GROUP";

    public const int Most = 200;
    private readonly string _path;
    private readonly bool _made;

    private PidsGroup(string path, bool made) => (_path, _made) = (path, made);

    public string Path => _path;

    public string EntryFile => System.IO.Path.Combine(_path, "cgroup.procs");

    /// <summary>Skips the test when this machine has none to give.</summary>
    public static PidsGroup Get()
    {
        if (Environment.GetEnvironmentVariable(Given) is { } given)
        {
            return new PidsGroup(given, made: false);
        }

        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root, for a control group that bounds the number of processes");
        foreach (var mount in Mounts())
        {
            var path = System.IO.Path.Combine(mount, "ozf-test-" + Guid.NewGuid().ToString("N"));
            try
            {
                Directory.CreateDirectory(path);
                var most = System.IO.Path.Combine(path, "pids.max");
                if (File.Exists(most))
                {
                    File.WriteAllText(most, Most.ToString(CultureInfo.InvariantCulture));
                    return new PidsGroup(path, made: true);
                }

                Directory.Delete(path);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Another mount may do.
            }
        }

        throw Xunit.Sdk.SkipException.ForSkip("needs a control group that bounds the number of processes (the pids controller)");
    }

    /// <summary>Lets an ordinary user put its own processes in.</summary>
    public void GiveTo(int uid) => Assert.Equal(0, Signals.ChangeOwner(EntryFile, uid, uid));

    /// <summary>That the process is in the group and the group is bounded; a bomb is lit only after this.</summary>
    public void AssertHolds(int pid)
    {
        Assert.Equal(Most.ToString(CultureInfo.InvariantCulture), File.ReadAllText(System.IO.Path.Combine(_path, "pids.max")).Trim());
        Assert.Contains("/" + System.IO.Path.GetFileName(_path) + "\n", File.ReadAllText($"/proc/{pid}/cgroup"), StringComparison.Ordinal);
    }

    /// <summary>Waits until forks are refused; the kernel gives no other signal of that.</summary>
    public async Task FullAsync()
    {
        while (int.Parse(File.ReadAllText(System.IO.Path.Combine(_path, "pids.current")), CultureInfo.InvariantCulture) < Most - 5)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, ShimRig.Cancellation);
        }
    }

    public void Dispose()
    {
        try
        {
            if (_made)
            {
                Directory.Delete(_path);
            }
        }
        catch (IOException)
        {
            // A zombie that init has not waited for holds the group; nothing else may.
            Assert.All(File.ReadAllLines(EntryFile), pid => Assert.Contains("State:\tZ", Tagged.Read($"/proc/{pid}/status") is { Length: > 0 } status ? status : "State:\tZ, and gone", StringComparison.Ordinal));
        }
    }

    private static IEnumerable<string> Mounts() => File.ReadLines("/proc/self/mountinfo")
        .Select(line => line.Split(' '))
        .Where(fields => fields.Contains("cgroup2") || (fields.Contains("cgroup") && fields[^1].Split(',').Contains("pids")))
        .Select(fields => fields[4]);
}
