using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Agents;

/// <summary>Finds the agent's program: the one that the caller of <c>ozf exec</c> named, else <c>oz_path</c>, else <c>oz</c> in the host's PATH.</summary>
internal static class AgentLookup
{
    private const string DefaultName = "oz";

    /// <summary>An absolute path, or a sentence that names what was looked for.</summary>
    public static (string? Path, string? Fault) Find(DirectOptions options)
    {
        var name = options.OzPath is { Length: > 0 } configured ? configured : DefaultName;
        var named = options.ForeignArguments is not null;
        if (Path.GetFileName(name) != name)
        {
            var path = Path.GetFullPath(name);
            return FindFault(path) is { } fault ? (null, $"The agent was not found: {fault} ({(named ? "--agent-command" : "backend.direct.oz_path")}).") : (path, null);
        }

        var search = options.HostEnvironment.GetValueOrDefault("PATH") ?? "";
        string? nearly = null;
        foreach (var directory in search.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Where(Path.IsPathRooted))
        {
            foreach (var path in Spellings(Path.Combine(directory, name), options.HostEnvironment))
            {
                if (FindFault(path) is not { } fault)
                {
                    return (path, null);
                }

                nearly ??= File.Exists(path) ? fault : null;
            }
        }

        return (null, $"The agent was not found: {nearly ?? $"no '{name}' in PATH ({search})"}. {(named ? "Install it, or name another with --agent or --agent-command" : "Install the CLI or set backend.direct.oz_path")}.");
    }

    /// <summary>Windows leaves the end of a program's name out.</summary>
    private static IEnumerable<string> Spellings(string path, IReadOnlyDictionary<string, string> environment) => !OperatingSystem.IsWindows() || Path.HasExtension(path)
        ? [path]
        : (environment.GetValueOrDefault("PATHEXT") ?? ".EXE;.CMD;.BAT").Split(';', StringSplitOptions.RemoveEmptyEntries).Select(end => path + end);

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

        return Libc.IsExecutable(path) ? null : $"{path} is not executable";
    }
}
