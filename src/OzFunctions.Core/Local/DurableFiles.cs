using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Local;

/// <summary>Small files that are whole or absent after kill -9 and power loss, mode 0600. Throws <see cref="IOException"/> when the disk refuses.</summary>
public static class DurableFiles
{
    /// <summary>Creates the file with its content; false when the name is taken. Of several callers one wins (<c>link(2)</c>).</summary>
    public static bool WriteNew(string path, ReadOnlySpan<byte> content)
    {
        var temporary = WriteTemporary(path, content);
        try
        {
            var error = PosixFiles.Link(temporary, path);
            if (error == PosixError.Exists)
            {
                return false;
            }

            Check(error, path, "create");
        }
        finally
        {
            PosixFiles.Unlink(temporary);
        }

        FsyncDirectory(DirectoryOf(path));
        return true;
    }

    /// <summary>Writes the file, replacing what is there in one step: readers see the old or the new content, also after power loss.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        var temporary = WriteTemporary(path, content);
        var error = PosixFiles.Rename(temporary, path);
        if (!error.Ok)
        {
            PosixFiles.Unlink(temporary);
            throw error.At(path, "replace");
        }

        FsyncDirectory(DirectoryOf(path));
    }

    /// <summary>Makes names created, renamed or removed in the directory durable.</summary>
    public static void FsyncDirectory(string path)
    {
        if (!HostSystem.IsLinux)
        {
            // .NET opens no directory; what journalling file systems do by themselves must do.
            return;
        }

        // No O_DIRECTORY: its value differs between processors, and a plain open does.
        var error = PosixFiles.OpenRead(path, out var directory);
        using (directory)
        {
            Check(error, path, "open");
            Check(PosixFiles.Fsync(directory), path, "sync");
        }
    }

    /// <summary>Makes one directory with mode 0700; false when the name is taken. Of several callers one wins. Not synced.</summary>
    public static bool CreateDirectory(string path)
    {
        var error = PosixFiles.MakeDirectory(path);
        if (error == PosixError.Exists)
        {
            return false;
        }

        Check(error, path, "make the directory");
        return true;
    }

    private static string WriteTemporary(string path, ReadOnlySpan<byte> content)
    {
        var temporary = Path.Join(DirectoryOf(path), $".tmp-{RandomNumberGenerator.GetHexString(16, lowercase: true)}");
        var error = PosixFiles.CreateNew(temporary, out var file);
        using (file)
        {
            Check(error, temporary, "create");
            try
            {
                WriteAndSync(file, temporary, content);
                return temporary;
            }
            catch (IOException)
            {
                PosixFiles.Unlink(temporary);
                throw;
            }
        }
    }

    private static void WriteAndSync(SafeFileHandle file, string path, ReadOnlySpan<byte> content)
    {
        RandomAccess.Write(file, content, 0);
        Check(PosixFiles.Fsync(file), path, "sync");
    }

    private static string DirectoryOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";

    private static void Check(PosixError error, string path, string what)
    {
        if (!error.Ok)
        {
            throw error.At(path, what);
        }
    }
}
