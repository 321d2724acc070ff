using System.Globalization;

namespace OzFunctions.Direct.Shims;

/// <summary>The control group that a shot shim left behind.</summary>
internal sealed class LeftGroup
{
    private readonly string _path;

    private LeftGroup(string path) => _path = path;

    /// <summary>Null where there is none: also where a status names one that no shim of that private directory makes, for all that is in a group is ended.</summary>
    public static LeftGroup? Find(string? path, string privateDirectory) =>
        path is not null && Path.GetFileName(path) == "ozf-" + Path.GetFileName(privateDirectory) ? new(path) : null;

    /// <summary>Ends all of it at once where the kernel can; answers who was in it.</summary>
    public IReadOnlyList<int> End()
    {
        try
        {
            var pids = File.ReadAllLines(_path + "/cgroup.procs").Select(line => int.Parse(line, CultureInfo.InvariantCulture)).ToList();
            if (pids.Count > 0)
            {
                File.WriteAllText(_path + "/cgroup.kill", "1");
            }

            return pids;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException)
        {
            // Removed with its last process, or a kernel before 5.14: the tag finds them as well.
            return [];
        }
    }

    public void Remove()
    {
        try
        {
            Directory.Delete(_path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Gone already, or a zombie that nobody has waited for holds it: it costs nothing.
        }
    }
}
