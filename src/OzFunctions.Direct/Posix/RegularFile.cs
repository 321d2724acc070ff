using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Posix;

/// <summary>Opens files that an agent may have made: a link, device or fifo is refused and never followed, opened or waited for.</summary>
internal static class RegularFile
{
    /// <summary>
    /// The whole content of a file of ours, in whose place a command of the same account may have put anything else. Throws <see cref="FileNotFoundException"/> where nothing
    /// stands there, and <see cref="IOException"/> where it is something else or cannot be read.
    /// </summary>
    public static byte[] ReadAll(string path) => FindContent(path) ?? throw new FileNotFoundException($"{path} is not there.", path);

    /// <summary>The same of a file that a loss of power may have emptied: null where there is none, or nothing but zeros in it.</summary>
    public static byte[]? FindAll(string path)
    {
        var content = FindContent(path);
        return content.AsSpan().ContainsAnyExcept((byte)0) ? content : null;
    }

    /// <summary>
    /// A file of ours to read and write, made where nothing stands. Whatever a command of the same account put in its place is removed: it says as much as no file. One
    /// whose rights it took from us is given them back, or else put aside.
    /// </summary>
    public static FileStream OpenOrRemake(string path)
    {
        var making = new FileStreamOptions { Mode = HostSystem.IsLinux ? FileMode.CreateNew : FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite }.Private();
        if (HostSystem.IsLinux)
        {
            try
            {
                if (Find(path, Libc.OReadWrite) is { } there)
                {
                    return new FileStream(there, FileAccess.ReadWrite);
                }
            }
            catch (IOException) when (Libc.FindFacts(path) is { IsRegular: false } && TreeRemover.RemoveOnce(path) is null)
            {
                // Gone: as if it had never been.
            }
            catch (IOException refused) when (refused.HResult == Libc.Eacces && Libc.FindFacts(path) is { IsRegular: true })
            {
                if (TryTakeBack(path) is { } handle)
                {
                    return new FileStream(handle, FileAccess.ReadWrite);
                }

                if (PosixFiles.Rename(path, path + ".refused") is { Ok: false })
                {
                    throw;
                }
            }
        }

        return new FileStream(path, making);
    }

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

    /// <summary>A segment of a spool, as its reader wants it opened: what is no regular file is to it as if it were not there.</summary>
    public static SafeFileHandle? FindSegment(string path)
    {
        if (!HostSystem.IsLinux)
        {
            return SpoolFormat.FindSegment(path);
        }

        try
        {
            return Find(path, Libc.OReadOnly);
        }
        catch (IOException) when (Libc.FindFacts(path) is not { IsRegular: true })
        {
            return null;
        }
    }

    /// <summary>Null where nothing stands there.</summary>
    private static byte[]? FindContent(string path)
    {
        if (!HostSystem.IsLinux)
        {
            try
            {
                return File.ReadAllBytes(path);
            }
            catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
            {
                return null;
            }
        }

        if (Find(path, Libc.OReadOnly) is not { } handle)
        {
            return null;
        }

        using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
        var content = new MemoryStream();
        stream.CopyTo(content);
        return content.ToArray();
    }

    /// <summary>Null where it is not ours.</summary>
    private static SafeFileHandle? TryTakeBack(string path)
    {
        // The file itself, whatever is put in its place meanwhile.
        using var place = new SafeFileHandle(Libc.Open(path, Libc.OPath | Libc.ONoFollow | Libc.OCloseOnExec, 0), ownsHandle: true);
        if (place.IsInvalid || Libc.FindFacts((int)place.DangerousGetHandle()) is not { IsRegular: true } facts || !Libc.IsOwn(facts))
        {
            return null;
        }

        try
        {
            File.SetUnixFileMode($"/proc/self/fd/{place.DangerousGetHandle()}", UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return Find(path, Libc.OReadWrite);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Null where nothing stands there: the usual case of what a run has not come to yet, and no exception for that reason.</summary>
    private static SafeFileHandle? Find(string path, int access)
    {
        // Looked at once it is open only: others are replaced while they are read. Without NONBLOCK a fifo would be waited for.
        var flags = access | Libc.ONoFollow | Libc.ONonBlock | Libc.OCloseOnExec;
        var descriptor = Libc.Open(path, flags, 0);
        var error = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (error == Libc.Eacces && TakenRights.GiveBack(path))
        {
            descriptor = Libc.Open(path, flags, 0);
            error = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        }

        if (descriptor < 0)
        {
            return error == Libc.Enoent ? null : throw new IOException($"{path} cannot be read: {Libc.Describe(error)}.", error);
        }

        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Libc.FindFacts(descriptor) is { IsRegular: true })
        {
            return handle;
        }

        handle.Dispose();
        throw new IOException($"{path} cannot be read: it is no regular file.");
    }
}
