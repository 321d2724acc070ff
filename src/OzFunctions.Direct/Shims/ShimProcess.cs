using System.Net.Sockets;
using System.Runtime.InteropServices;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>Executes <c>ozf-shim</c> in a session of its own, with one end of a socket pair as its standard input and nothing else of this process.</summary>
internal static unsafe class ShimProcess
{
    /// <summary>Pid of the new shim and the host's end of the pair.</summary>
    public static (int Pid, Socket Socket) Start(string binary, string privateDirectory)
    {
        const int Unix = 1;
        const int Stream = 1;
        var ends = stackalloc int[2];
        if (ShimLibc.SocketPair(Unix, Stream | ShimLibc.CloseOnExec, 0, ends) != 0)
        {
            throw new ShimException($"No socket can be had for a shim: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        int pid;
        var error = Spawn(binary, privateDirectory, ends[1], &pid);
        _ = ShimLibc.Close(ends[1]);
        if (error != 0)
        {
            _ = ShimLibc.Close(ends[0]);
            throw new ShimException($"The shim {binary} cannot be executed: {Marshal.GetPInvokeErrorMessage(error)}");
        }

        return (pid, new Socket(new SafeSocketHandle(ends[0], ownsHandle: true)));
    }

    private static int Spawn(string binary, string privateDirectory, int input, int* pid)
    {
        const short SetSignals = 4 | 8;
        const short SetSession = 0x80;
        const int AppendNew = 0x1 | 0x40 | 0x400;
        var actions = stackalloc byte[512];
        var attributes = stackalloc byte[512];
        var signals = stackalloc byte[128];
        _ = ShimLibc.SpawnActions(actions);
        _ = ShimLibc.SpawnActionsDup2(actions, input, 0);
        _ = ShimLibc.SpawnActionsOpen(actions, 1, Path.Combine(privateDirectory, ShimProtocol.LogFile), AppendNew, 0x180);
        _ = ShimLibc.SpawnActionsDup2(actions, 1, 2);
        _ = ShimLibc.SpawnActionsCloseFrom(actions, 3);

        // It must not hold a directory that somebody wants to unmount.
        _ = ShimLibc.SpawnActionsChdir(actions, "/");
        _ = ShimLibc.SpawnAttributes(attributes);
        _ = ShimLibc.SignalsAll(signals);
        _ = ShimLibc.SpawnAttributesDefaults(attributes, signals);
        _ = ShimLibc.SignalsNone(signals);
        _ = ShimLibc.SpawnAttributesMask(attributes, signals);
        _ = ShimLibc.SpawnAttributesFlags(attributes, SetSession | SetSignals);
        var path = Marshal.StringToCoTaskMemUTF8(binary);
        var directory = Marshal.StringToCoTaskMemUTF8(privateDirectory);

        // Nothing of the host's environment: the shim needs none of it, and anybody of this user could read it there. Without diagnostics it leaves no sockets in /tmp.
        var diagnostics = Marshal.StringToCoTaskMemUTF8("DOTNET_EnableDiagnostics=0");
        try
        {
            var arguments = stackalloc byte*[] { (byte*)path, (byte*)directory, null };
            var environment = stackalloc byte*[] { (byte*)diagnostics, null };
            return ShimLibc.Spawn(pid, (byte*)path, actions, attributes, arguments, environment);
        }
        finally
        {
            Marshal.FreeCoTaskMem(path);
            Marshal.FreeCoTaskMem(directory);
            Marshal.FreeCoTaskMem(diagnostics);
            _ = ShimLibc.SpawnActionsDestroy(actions);
            _ = ShimLibc.SpawnAttributesDestroy(attributes);
        }
    }
}
