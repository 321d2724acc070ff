using Microsoft.Win32.SafeHandles;
using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Attempts;

/// <summary>The lock of an attempt directory: who holds it lives; a dead process holds none (protocol C4, A1).</summary>
internal sealed class AttemptLock : IDisposable
{
    private readonly SafeFileHandle _handle;

    private AttemptLock(SafeFileHandle handle) => _handle = handle;

    /// <summary>Null when another process holds it, or the file was removed while it was taken.</summary>
    public static AttemptLock? TryTake(string path)
    {
        // The descriptor is not inherited: an agent that held it would keep a dead host alive.
        var descriptor = Libc.Open(path, Libc.OReadWrite | Libc.OCreate | Libc.ONoFollow | Libc.OCloseOnExec, 0x180);
        if (descriptor < 0)
        {
            return null;
        }

        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Libc.Lock(descriptor, Libc.LockExclusive | Libc.LockNonBlocking) == 0
            && Libc.FindFacts(descriptor) is { } held && Libc.FindFacts(path) is { } named && held.Inode == named.Inode && held.Device == named.Device)
        {
            return new AttemptLock(handle);
        }

        handle.Dispose();
        return null;
    }

    public void Dispose() => _handle.Dispose();
}
