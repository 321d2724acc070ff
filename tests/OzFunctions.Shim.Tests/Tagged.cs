using System.Globalization;

namespace OzFunctions.Shim.Tests;

/// <summary>Looks for processes by tag with eyes of its own, so that a test does not trust what it tests.</summary>
internal static class Tagged
{
    /// <summary>Names and pids of the live processes that carry the tag.</summary>
    public static string[] Processes(long tag) => [.. Directory.EnumerateDirectories("/proc")
        .Where(path => int.TryParse(Path.GetFileName(path), out _))
        .Where(path => Read(path + "/limits").Contains($" {tag.ToString(CultureInfo.InvariantCulture)} ", StringComparison.Ordinal))
        .Select(path => Read(path + "/stat"))
        .Where(stat => stat.Length > 0 && stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X'))
        .Select(stat => stat[..(stat.LastIndexOf(')') + 3)])];

    public static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }
}
