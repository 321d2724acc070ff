using System.Runtime.InteropServices;

namespace OzFunctions.Direct.Posix;

/// <summary>Writes small files that are whole or absent after a power loss.</summary>
internal static class DurableFile
{
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        var draft = path + ".new";
        using (var stream = new FileStream(draft, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }

        File.Move(draft, path, overwrite: true);
        SynchronizeDirectory(Path.GetDirectoryName(path)!);
    }

    /// <summary>Makes the names in a directory durable.</summary>
    public static void SynchronizeDirectory(string path)
    {
        var descriptor = Libc.Open(path, Libc.OReadOnly | Libc.ODirectory | Libc.OCloseOnExec, 0);
        if (descriptor < 0)
        {
            throw new IOException($"{path}: {Libc.DescribeLast()}");
        }

        var failed = Libc.Synchronize(descriptor) != 0;
        var error = Marshal.GetLastPInvokeError();
        Libc.Close(descriptor);
        if (failed)
        {
            throw new IOException($"{path}: {Libc.Describe(error)}");
        }
    }
}
