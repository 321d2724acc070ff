using System.Runtime.InteropServices;

namespace OzFunctions.Shim.Tests;

/// <summary>Sends signals to processes that a test started.</summary>
internal static partial class Signals
{
    // More than a shim takes on a machine that is busy with everything else; no test waits as long for one that ends.
    private const int MostMilliseconds = 120_000;
    private static readonly Dictionary<string, int> Numbers = new() { ["HUP"] = 1, ["INT"] = 2, ["QUIT"] = 3, ["KILL"] = 9, ["PIPE"] = 13, ["TERM"] = 15 };

    public static int Send(int pid, string name) => Kill(pid, Numbers[name]);

    /// <summary>Waits until a process that is no child of this one is gone.</summary>
    public static async Task GoneAsync(int pid, CancellationToken cancellationToken)
    {
        const int PidFdOpen = 434;
        var process = (int)SystemCall(PidFdOpen, pid, 0);
        if (process < 0)
        {
            return;
        }

        using var handle = new Microsoft.Win32.SafeHandles.SafeFileHandle(process, ownsHandle: true);
        var gone = await Task.Run(() => PollAgain(process), cancellationToken);
        Assert.Equal(1, gone);
    }

    [LibraryImport("libc", EntryPoint = "lchown", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChangeOwner(string path, int uid, int gid);

    // A signal of the runtime may interrupt the wait.
    private static int PollAgain(int process)
    {
        int gone;
        while ((gone = Poll([process, 1], 1, MostMilliseconds)) < 0)
        {
        }

        return gone;
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, nint pid, nint flags);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll([In] int[] entries, nuint count, int timeout);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
