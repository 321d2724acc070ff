namespace OzFunctions.Testing;

/// <summary>
/// Scripts of <c>tests/npm</c>, with their packages installed as the lock file says. <c>./build.sh</c> installs them; a test that is run alone does it by itself, once.
/// Without Node the tests that need it are skipped, and say so.
/// </summary>
public static class NpmPackages
{
    private static readonly SemaphoreSlim Turn = new(1);
    private static bool _installed;

    /// <summary>Starts a script of <c>tests/npm</c>.</summary>
    public static async Task<TestProcess> StartAsync(
        string script, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment, CancellationToken cancellationToken)
    {
        var directory = Find();
        await InstallAsync(directory, cancellationToken);
        return TestProcess.Start("node", [Path.Join(directory, script), .. arguments], environment);
    }

    private static async Task InstallAsync(string directory, CancellationToken cancellationToken)
    {
        await Turn.WaitAsync(cancellationToken);
        try
        {
            if (_installed)
            {
                return;
            }

            Assert.SkipUnless(Has("node") && Has("npm"), "Node and npm are not installed here; what tests/npm checks is not checked.");

            // Test processes of several projects may want it at the same time.
            await using var locked = await LockAsync(Path.Join(directory, "node_modules.lock"), cancellationToken);
            if (!IsInstalled(directory))
            {
                await using var npm = TestProcess.Start("npm", ["ci", "--no-audit", "--no-fund"], workingDirectory: directory);
                var code = await npm.WaitForExitAsync(cancellationToken);
                Assert.True(code == 0, "npm ci failed:\n" + string.Join('\n', npm.Errors));
            }

            _installed = true;
        }
        finally
        {
            Turn.Release();
        }
    }

    /// <summary>npm writes what it installed beside the packages; older than the lock file, it is something else.</summary>
    private static bool IsInstalled(string directory)
    {
        var installed = new FileInfo(Path.Join(directory, "node_modules", ".package-lock.json"));
        return installed.Exists && installed.LastWriteTimeUtc >= File.GetLastWriteTimeUtc(Path.Join(directory, "package-lock.json"));
    }

    private static async Task<FileStream> LockAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                // Another process installs; files send no signal across processes.
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken);
            }
        }
    }

    private static bool Has(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(directory => directory.Length > 0 && File.Exists(Path.Join(directory, program)));

    private static string Find()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "OzFunctions.sln")))
        {
            at = at.Parent ?? throw new DirectoryNotFoundException($"No OzFunctions.sln above {AppContext.BaseDirectory}.");
        }

        return Path.Join(at.FullName, "tests", "npm");
    }
}
