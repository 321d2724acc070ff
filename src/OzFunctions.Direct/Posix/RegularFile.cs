using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using OzFunctions.Local;

namespace OzFunctions.Direct.Posix;

/// <summary>Opens files that an agent may have made: a link, device or fifo is refused and never followed, opened or waited for.</summary>
internal static class RegularFile
{
    /// <summary>The open file and its length; or null and why.</summary>
    /// <param name="path">The file.</param>
    /// <param name="root">A directory without links that the file must lie in; null: anywhere.</param>
    /// <param name="reason">Why it was refused, as in "a fifo".</param>
    /// <param name="length">Its length when it was opened.</param>
    public static FileStream? TryOpen(string path, string? root, out string? reason, out long length)
    {
        length = 0;
        if (Libc.FindFacts(path) is not { } before)
        {
            reason = HostSystem.IsLinux ? Libc.DescribeLast() : "it is gone";
            return null;
        }

        length = before.Length;
        if (!before.IsRegular)
        {
            reason = before.Kind;
            return null;
        }

        if (!HostSystem.IsLinux)
        {
            return PortableCalls.TryOpen(path, root, before.Length, out reason);
        }

        // Opening a device can do harm and opening a fifo waits, should one have been slipped in since: NONBLOCK, then look again.
        var descriptor = Libc.Open(path, Libc.OReadOnly | Libc.ONoFollow | Libc.ONonBlock | Libc.OCloseOnExec, 0);
        if (descriptor < 0)
        {
            reason = Libc.Describe(Marshal.GetLastPInvokeError());
            return null;
        }

        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Libc.FindFacts(descriptor) is not { IsRegular: true } facts || facts.Inode != before.Inode)
        {
            handle.Dispose();
            reason = "it changed while it was opened";
            return null;
        }

        if (root is not null && new FileInfo($"/proc/self/fd/{descriptor}").LinkTarget?.StartsWith(root + "/", StringComparison.Ordinal) != true)
        {
            handle.Dispose();
            reason = "it lies outside";
            return null;
        }

        length = facts.Length;
        reason = null;
        return new FileStream(handle, FileAccess.Read, bufferSize: 0);
    }
}
