namespace OzFunctions.Local;

/// <summary>Keeps other processes of the same user from reading this one's environment and memory through <c>/proc</c> (guarantee 8).</summary>
public static class ProcessDumpable
{
    /// <summary>Makes this process non-dumpable; false where the system does not know it.</summary>
    public static bool Disable() => OperatingSystem.IsLinux() && Libc.Prctl(Libc.SetDumpable, 0, 0, 0, 0) == 0;
}
