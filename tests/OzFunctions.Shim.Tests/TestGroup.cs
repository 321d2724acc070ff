namespace OzFunctions.Shim.Tests;

/// <summary>A control group of its own on a real mount; at the end it is removed, with the groups below it.</summary>
internal sealed class TestGroup : IAsyncDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan AtMost = TimeSpan.FromSeconds(30);

    private TestGroup(string path) => Path = path;

    public string Path { get; }

    /// <summary>Null where the mount takes no groups.</summary>
    public static TestGroup? TryMake(string mount)
    {
        try
        {
            var path = System.IO.Path.Combine(mount, "ozf-test-" + Guid.NewGuid().ToString("N"));
            Directory.CreateDirectory(path);
            return new TestGroup(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>A group is busy until its last process is waited for, by init perhaps, which takes its time; the kernel tells nobody of it.</summary>
    public async ValueTask DisposeAsync()
    {
        using var enough = new CancellationTokenSource(AtMost, TimeProvider.System);
        foreach (var group in (string[])[.. Directory.GetDirectories(Path), Path])
        {
            while (!TryRemove(group))
            {
                await Task.Delay(Look, TimeProvider.System, enough.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (enough.IsCancellationRequested)
                {
                    AssertOnlyZombies(group);
                    return;
                }
            }
        }
    }

    private static bool TryRemove(string group)
    {
        try
        {
            if (File.ReadAllText(System.IO.Path.Combine(group, "cgroup.procs")).Length > 0)
            {
                return false;
            }

            Directory.Delete(group);
            return true;
        }
        catch (IOException)
        {
            // Busy; or gone meanwhile, as a shim removes its own.
            return !Directory.Exists(group);
        }
    }

    /// <summary>A zombie that nobody waits for is no fault of what is tested; anything else in it was left running.</summary>
    private static void AssertOnlyZombies(string group) => Assert.All(
        File.ReadAllLines(System.IO.Path.Combine(group, "cgroup.procs")),
        pid => Assert.Contains("State:\tZ", Tagged.Read($"/proc/{pid}/status") is { Length: > 0 } status ? status : "State:\tZ, and gone", StringComparison.Ordinal));
}
