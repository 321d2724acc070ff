namespace OzFunctions.Testing.Azurite;

/// <summary>What tests need from npm, below <c>tests/npm</c> of the repository; installed as locked when it is first needed.</summary>
public static class TestPackages
{
    /// <summary><c>tests/npm</c>.</summary>
    public static string Directory { get; } = Path.Join(Repository.Root, "tests", "npm");

    /// <summary>Installs what is missing. Without Node.js the test is skipped, with the line that says so.</summary>
    public static async Task RequireAsync(CancellationToken cancellationToken)
    {
        var (exitCode, _, errors) = await TestProcess.RunAsync(Path.Join(Directory, "install.sh"), [], cancellationToken);
        Assert.SkipWhen(exitCode == 69, errors);
        Assert.True(exitCode == 0, $"tests/npm/install.sh ended with {exitCode}:\n{errors}");
    }

    /// <summary>Runs a script of <c>tests/npm</c> with Node.js to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(
        string script, IEnumerable<string> arguments, CancellationToken cancellationToken, IReadOnlyDictionary<string, string?>? environment = null)
    {
        await RequireAsync(cancellationToken);
        return await TestProcess.RunAsync("node", [Path.Join(Directory, script), .. arguments], cancellationToken, environment);
    }
}
