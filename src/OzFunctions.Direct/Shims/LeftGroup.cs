using System.Globalization;

namespace OzFunctions.Direct.Shims;

/// <summary>The control group that a shot shim left behind.</summary>
internal sealed class LeftGroup(string path)
{
    /// <summary>Ends all of it at once where the kernel can; answers who was in it.</summary>
    public IReadOnlyList<int> End()
    {
        try
        {
            var pids = File.ReadAllLines(path + "/cgroup.procs").Select(line => int.Parse(line, CultureInfo.InvariantCulture)).ToList();
            if (pids.Count > 0)
            {
                File.WriteAllText(path + "/cgroup.kill", "1");
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
            Directory.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Gone already, or a zombie that nobody has waited for holds it: it costs nothing.
        }
    }
}
