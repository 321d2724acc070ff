using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Agents;

/// <summary>Finds the agent's program: <c>oz_path</c>, else <c>oz</c> in the host's PATH.</summary>
internal static class AgentLookup
{
    private const string DefaultName = "oz";

    /// <summary>An absolute path, or a sentence that names what was looked for.</summary>
    public static (string? Path, string? Fault) Find(DirectOptions options)
    {
        var name = options.OzPath is { Length: > 0 } configured ? configured : DefaultName;
        if (name.Contains('/', StringComparison.Ordinal))
        {
            var path = Path.GetFullPath(name);
            return FindFault(path) is { } fault ? (null, $"The agent was not found: {fault} (backend.direct.oz_path).") : (path, null);
        }

        var search = options.HostEnvironment.GetValueOrDefault("PATH") ?? "";
        string? nearly = null;
        foreach (var directory in search.Split(':', StringSplitOptions.RemoveEmptyEntries).Where(Path.IsPathRooted))
        {
            var path = Path.Combine(directory, name);
            if (FindFault(path) is not { } fault)
            {
                return (path, null);
            }

            nearly ??= File.Exists(path) ? fault : null;
        }

        return (null, $"The agent was not found: {nearly ?? $"no '{name}' in PATH ({search})"}. Install the CLI or set backend.direct.oz_path.");
    }

    private static string? FindFault(string path)
    {
        if (Directory.Exists(path))
        {
            return $"{path} is a directory";
        }

        if (!File.Exists(path))
        {
            return $"{path} does not exist";
        }

        return Libc.Access(path, Libc.ExecuteAccess) == 0 ? null : $"{path} is not executable";
    }
}
