using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Stores;

/// <summary>Where plain files are kept (design section 11). The store makes it when it is opened.</summary>
internal static class DataDirectory
{
    /// <param name="given">By flag or variable.</param>
    public static string Find(string? given, string? configured, Surroundings surroundings)
    {
        var chosen = given ?? configured ?? Path.Combine(StateHome(surroundings), "ozf");
        return chosen.Length > 0
            ? Path.GetFullPath(Path.Combine(surroundings.Directory, chosen))
            : throw CommandException.Usage("--data: '': a directory is expected.");
    }

    private static string StateHome(Surroundings surroundings)
    {
        // The XDG rule: a relative value is to be ignored.
        if (surroundings.Variable("XDG_STATE_HOME") is { } state && Path.IsPathRooted(state))
        {
            return state;
        }

        return (surroundings.Variable("HOME") ?? surroundings.Variable("USERPROFILE")) is { } home
            ? Path.Combine(home, ".local", "state")
            : throw CommandException.Usage("there is no HOME to keep data in; give a directory with --data or OZF_DATA.");
    }
}
