namespace OzFunctions.Local;

/// <summary>Tells one boot of this machine from another: pids, ticks and what was not synced mean something within one only.</summary>
public static class BootId
{
    /// <summary><c>/proc/sys/kernel/random/boot_id</c>; empty where the system has none.</summary>
    public static string Current { get; } = Read();

    private static string Read()
    {
        try
        {
            return File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
