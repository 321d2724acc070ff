using OzFunctions.Cli.CommandLine;
using OzFunctions.Local;

namespace OzFunctions.Cli.Machine;

/// <summary>Where worker hosts run (design section 3).</summary>
internal static class Platform
{
    public static void RequireLinux(string command)
    {
        if (!HostSystem.IsLinux)
        {
            throw CommandException.Unavailable($"'ozf {command}' needs Linux (glibc) in this version; on this system requests can be sent, runs be watched, and agents be run with 'ozf exec'.");
        }
    }
}
