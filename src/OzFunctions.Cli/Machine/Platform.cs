using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Machine;

/// <summary>Where worker hosts run (design section 3).</summary>
internal static class Platform
{
    public static void RequireLinux(string command)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw CommandException.Unavailable($"'ozf {command}' needs Linux (glibc) in this version; on this system requests can be sent and runs be watched, but not executed.");
        }
    }
}
