using System.Runtime.InteropServices;

namespace OzFunctions.FakeAgent;

/// <summary>What a misbehaving agent does to itself, without a managed process class in between.</summary>
internal static partial class Libc
{
    public const int SigInt = 2;
    public const int SigTerm = 15;

    private static readonly Dictionary<string, int> Signals = new(StringComparer.Ordinal)
    {
        ["HUP"] = 1,
        ["INT"] = SigInt,
        ["QUIT"] = 3,
        ["ILL"] = 4,
        ["ABRT"] = 6,
        ["FPE"] = 8,
        ["KILL"] = 9,
        ["USR1"] = 10,
        ["SEGV"] = 11,
        ["PIPE"] = 13,
        ["TERM"] = SigTerm,
    };

    public static int FindSignal(string name) => Signals.TryGetValue(name, out var number) ? number : 0;

    /// <summary>Dies by the signal as a process without a handler does, and leaves no core file.</summary>
    public static void DieBy(int signal)
    {
        _ = Prctl(4 /* PR_SET_DUMPABLE */, 0, 0, 0, 0);
        _ = SetHandler(signal, 0);
        _ = Kill(Environment.ProcessId, signal);
    }

    /// <summary>Runs a command by /bin/sh and answers its exit code.</summary>
    public static int Shell(string command)
    {
        var status = System(command);
        return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
    }

    [LibraryImport("libc", EntryPoint = "system", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int System(string command);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "_exit")]
    public static partial void ExitNow(int code);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetHandler(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Prctl(int option, nint a, nint b, nint c, nint d);
}
