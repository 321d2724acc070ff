namespace OzFunctions.Direct.Shims;

/// <summary>Tells one boot of this machine from another: pids and ticks mean something within one only.</summary>
internal static class BootId
{
    public static string Current { get; } = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
}
