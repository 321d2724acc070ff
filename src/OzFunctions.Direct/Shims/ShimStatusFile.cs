using System.Text.Json;
using OzFunctions.Direct.Posix;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>Reads what a shim left on disk.</summary>
internal static class ShimStatusFile
{
    public static ShimStatus? Read(string privateDirectory)
    {
        var path = Path.Combine(privateDirectory, ShimProtocol.StatusFile);
        try
        {
            // One that a loss of power emptied was saved before the first command: nothing had run.
            return RegularFile.FindAll(path) is { } bytes ? ShimStatusJson.Read(bytes) : null;
        }
        catch (Exception ex) when (ex is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ShimException($"The shim's status {path} cannot be read: {ex.Message}", ex);
        }
    }

    /// <summary>The same; null also when it cannot be understood: then nobody can be named by it.</summary>
    public static ShimStatus? Find(string privateDirectory)
    {
        try
        {
            return Read(privateDirectory);
        }
        catch (ShimException)
        {
            return null;
        }
    }
}
