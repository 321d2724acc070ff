using System.Text.Json;
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
            return ShimStatusJson.Read(File.ReadAllBytes(path));
        }
        catch (Exception ex) when (ex is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException ex)
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
