using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>Refuses what the kernel would silently understand differently.</summary>
internal static class ShimCommandCheck
{
    public static void Check(ShimCommand command)
    {
        if (ShimProtocol.StreamsOf(command.Phase) is null)
        {
            throw new ShimException($"'{command.Phase}' is no phase.");
        }

        if (command.Arguments.Count == 0 || !Path.IsPathFullyQualified(command.Arguments[0]))
        {
            throw new ShimException($"The {command.Phase} command must begin with an absolute path.");
        }

        // A NUL would cut the text there; neither names nor values are repeated, as they may be secret.
        for (var i = 0; i < command.Arguments.Count; i++)
        {
            if (command.Arguments[i].Contains('\0'))
            {
                throw new ShimException($"Argument {i} of the {command.Phase} command holds a NUL character.");
            }
        }

        for (var i = 0; i < command.Environment.Count; i++)
        {
            if (command.Environment[i].Contains('\0') || command.Environment[i].IndexOf('=') < 1)
            {
                throw new ShimException($"Entry {i} of the environment of the {command.Phase} command is not NAME=value without a NUL character.");
            }
        }

        if (command.WorkingDirectory.Contains('\0') || command.StdoutFile?.Contains('\0') == true)
        {
            throw new ShimException($"A path of the {command.Phase} command holds a NUL character.");
        }
    }
}
