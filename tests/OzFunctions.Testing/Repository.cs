namespace OzFunctions.Testing;

/// <summary>The repository that the tests were built in, for those that read its documents, samples and sources.</summary>
public static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "OzFunctions.sln")))
        {
            at = at.Parent ?? throw new DirectoryNotFoundException($"No OzFunctions.sln above {AppContext.BaseDirectory}.");
        }

        return at.FullName;
    }
}
