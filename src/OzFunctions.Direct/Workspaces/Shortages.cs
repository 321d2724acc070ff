using System.Globalization;
using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Posix;
using OzFunctions.Local;

namespace OzFunctions.Direct.Workspaces;

/// <summary>Compares this machine with its watermarks; past one, the host takes no run and says why.</summary>
internal sealed class Shortages(DirectOptions options)
{
    /// <summary>A sentence for readiness; null when a run may be taken.</summary>
    public string? Find() => FindRoot() ?? FindDisk() ?? FindMemory() ?? FindAgent();

    private string? FindRoot()
    {
        if (options.TargetDir is { } target && !Directory.Exists(target))
        {
            return $"The target directory {target} does not exist or is not a directory.";
        }

        try
        {
            PrivateFiles.CreateDirectory(options.WorkspaceRoot);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return $"The workspace root {options.WorkspaceRoot} cannot be made: {exception.Message}";
        }

        // The one access mode that the BCL cannot ask for without writing: W_OK and X_OK.
        return Libc.Access(options.WorkspaceRoot, 3) == 0 ? null : $"The workspace root {options.WorkspaceRoot} cannot be written: {Libc.DescribeLast()}.";
    }

    private string? FindDisk()
    {
        if (Libc.FindFileSystem(options.WorkspaceRoot) is not { } system)
        {
            return $"The file system of {options.WorkspaceRoot} cannot be read: {Libc.DescribeLast()}.";
        }

        if (system.FreeBytes < options.DiskFree)
        {
            return $"Only {Size(system.FreeBytes)} of disk are free at {options.WorkspaceRoot}; {Size(options.DiskFree)} are asked for (limits.disk_free).";
        }

        // File systems without a fixed number of inodes say 0.
        return system.Inodes > 0 && system.FreeInodes < options.InodesFree
            ? $"Only {system.FreeInodes} inodes are free at {options.WorkspaceRoot}; {options.InodesFree} are asked for (limits.inodes_free)."
            : null;
    }

    private string? FindMemory()
    {
        if (options.MemoryFree <= 0)
        {
            return null;
        }

        foreach (var line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith("MemAvailable:", StringComparison.Ordinal)
                && long.TryParse(line.AsSpan(13).Trim().TrimEnd("kB").Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes))
            {
                return kibibytes * 1024 < options.MemoryFree
                    ? $"Only {Size(kibibytes * 1024)} of memory are available; {Size(options.MemoryFree)} are asked for (limits.memory_free)."
                    : null;
            }
        }

        return null;
    }

    private string? FindAgent() => AgentLookup.Find(options).Fault;

    private static string Size(long bytes) => bytes >= 1L << 30
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.#} GiB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):0.#} MiB");
}
