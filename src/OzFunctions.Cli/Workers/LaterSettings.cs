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
        if (configuration.Policy.Senders is not null)
        {
            refused.Add("policy.senders: is not checked in this version; remove it, or guard who may write to the store.");
        }

        if (refused.Count > 0)
        {
            throw CommandException.Usage([.. refused]);
        }
    }
}
