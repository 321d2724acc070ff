using System.Runtime.InteropServices;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>Tells whether a shim lives by the lock it holds for life: no pid, so no zombie and no later process of the same pid can look like it.</summary>
internal static class ShimLock
{
    public static bool IsHeld(string privateDirectory)
    {
        const int ReadWrite = 2;
        const int SharedNow = 1 | 4;
        const int Unlock = 8;
        const int WouldBlock = 11;
        var path = Path.Combine(privateDirectory, ShimProtocol.LockFile);
        var file = ShimLibc.Open(path, ReadWrite | ShimLibc.CloseOnExec, 0);
        if (file < 0 && Marshal.GetLastPInvokeError() == Posix.Libc.Eacces && Posix.TakenRights.GiveBack(path))
        {
            // A run had taken them; a lock that cannot be looked at would say that the shim is dead.
            file = ShimLibc.Open(path, ReadWrite | ShimLibc.CloseOnExec, 0);
        }

        if (file < 0)
        {
            return false;
        }

        // Shared, so that two hosts that look at once do not see each other.
        var held = ShimLibc.Flock(file, SharedNow) != 0 && Marshal.GetLastPInvokeError() == WouldBlock;
        if (!held)
        {
            // Closed alone it would stay held by a child that is just being started, by whatever thread.
            _ = ShimLibc.Flock(file, Unlock);
        }

        _ = ShimLibc.Close(file);
        return held;
    }
}
