using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Configuration;

namespace OzFunctions.Cli.Workers;

/// <summary>Settings that are read and not acted on yet: a boundary that would not hold is refused.</summary>
internal static class LaterSettings
{
    /// <summary>Throws when the configuration asks for a boundary that this version does not draw.</summary>
    public static void Refuse(OzfConfiguration configuration)
    {
        var refused = new List<string>();
        if (configuration.Direct.User is not null)
        {
            refused.Add("backend.direct.user: runs of another account come with a later version; remove it, or run the worker in a container of its own.");
        }

        if (configuration.Direct.Limits != new RunLimits())
        {
            refused.Add("backend.direct.limits: limits of a run come with a later version; remove them, or set them for the whole worker (systemd MemoryMax, TasksMax).");
        }

        if (refused.Count > 0)
        {
            throw CommandException.Usage([.. refused]);
        }
    }
}
