using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Stores;

/// <summary>Where plain files are kept (design section 11).</summary>
internal static class DataDirectory
{
    public static string Find(string? flag, string? configured, Surroundings surroundings)
    {
        var chosen = flag ?? surroundings.Variable("OZF_DATA") ?? configured;
        if (chosen is { Length: 0 })
        {
            throw CommandException.Usage("--data: '': a directory is expected.");
        }

        return Path.GetFullPath(Path.Combine(surroundings.Directory, chosen ?? Path.Combine(StateHome(surroundings), "ozf")));
    }

    /// <summary>Makes it, for its owner alone; inside a git work tree it keeps itself out of commits.</summary>
    public static void Make(string path)
    {
        try
        {
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var ignore = Path.Combine(path, ".gitignore");
            if (!File.Exists(ignore) && IsInWorkTree(path))
            {
                File.WriteAllText(ignore, "*\n");
            }
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            throw CommandException.Unavailable($"the data directory {path} cannot be made: {ex.Message} Choose another with --data or OZF_DATA.");
        }
    }

    private static bool IsInWorkTree(string path)
    {
        for (var at = new DirectoryInfo(path); at is not null; at = at.Parent)
        {
            var git = Path.Combine(at.FullName, ".git");
            if (Directory.Exists(git) || File.Exists(git))
            {
                return true;
            }
        }

        return false;
    }

    private static string StateHome(Surroundings surroundings)
    {
        // The XDG rule: a relative value is to be ignored.
        if (surroundings.Variable("XDG_STATE_HOME") is { } state && Path.IsPathRooted(state))
        {
            return state;
        }

        return surroundings.Variable("HOME") is { } home
            ? Path.Combine(home, ".local", "state")
            : throw CommandException.Usage("there is no HOME to keep data in; give a directory with --data or OZF_DATA.");
    }
}
