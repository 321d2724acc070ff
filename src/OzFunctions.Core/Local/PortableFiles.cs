using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Local;

/// <summary>
/// <see cref="PosixFiles"/> with nothing but .NET's own calls, for systems that are not Linux. What it cannot promise there: a directory is not made durable by itself,
/// and a file that a reader holds open may for a moment not be replaced (Windows).
/// </summary>
internal static class PortableFiles
{
    private const FileShare Anybody = FileShare.ReadWrite | FileShare.Delete;

    public static PosixError OpenRead(string path, out SafeFileHandle file) => Open(path, FileMode.Open, FileAccess.Read, out file);

    public static PosixError OpenWrite(string path, out SafeFileHandle file) => Open(path, FileMode.Open, FileAccess.ReadWrite, out file);

    public static PosixError CreateNew(string path, out SafeFileHandle file)
    {
        var error = Open(path, FileMode.CreateNew, FileAccess.ReadWrite, out file);
        if (error.Ok)
        {
            PrivateFiles.Close(file);
        }

        return error;
    }

    public static PosixError OpenOrCreate(string path, out SafeFileHandle file)
    {
        while (true)
        {
            var error = CreateNew(path, out file);
            if (error != PosixError.Exists)
            {
                return error;
            }

            // Deleted in between: then it is made.
            file.Dispose();
            error = OpenWrite(path, out file);
            if (error != PosixError.NotFound)
            {
                return error;
            }

            file.Dispose();
        }
    }

    /// <summary>A move, as .NET 10 knows no second names: the first name is gone afterwards. Exclusive as a link is.</summary>
    public static PosixError Link(string existing, string path) => Try(path, () => File.Move(existing, path, overwrite: false));

    public static PosixError Rename(string from, string to) => Try(from, () => File.Move(from, to, overwrite: true));

    public static PosixError Unlink(string path) => Try(path, () =>
    {
        // File.Delete takes an absent file for a deleted one.
        if (!File.Exists(path) && new FileInfo(path).LinkTarget is null)
        {
            throw new FileNotFoundException();
        }

        File.Delete(path);
    });

    public static PosixError MakeDirectory(string path)
    {
        if (File.Exists(path) || Directory.Exists(path))
        {
            return PosixError.Exists;
        }

        return Path.GetDirectoryName(Path.GetFullPath(path)) is { } parent && !Directory.Exists(parent)
            ? PosixError.NotFound
            : Try(path, () => PrivateFiles.CreateDirectory(path));
    }

    public static PosixError RemoveDirectory(string path)
    {
        var error = Try(path, () => Directory.Delete(path, recursive: false));
        return error == PosixError.Exists ? PosixError.NotEmpty : error;
    }

    public static PosixError Truncate(SafeFileHandle file, long length) => Try(null, () => RandomAccess.SetLength(file, length));

    public static PosixError Fsync(SafeFileHandle file) => Try(null, () => RandomAccess.FlushToDisk(file));

    public static PosixError SetModified(SafeFileHandle file, long ticks) => Try(null, () => File.SetLastWriteTimeUtc(file, new DateTime(ticks, DateTimeKind.Utc)));

    /// <summary>Opened by one at a time: .NET locks the file for it (flock, or a share mode). Null: somebody has it.</summary>
    public static SafeFileHandle? TryOpenAlone(string path, bool create)
    {
        try
        {
            // On Windows an open file can only be removed when its holder allows it.
            return File.OpenHandle(path, create ? FileMode.OpenOrCreate : FileMode.Open, FileAccess.ReadWrite, OperatingSystem.IsWindows() ? FileShare.Delete : FileShare.None);
        }
        catch (IOException exception) when (IsHeld(exception))
        {
            return null;
        }
    }

    /// <summary>Whether <see cref="TryOpenAlone"/> has a holder; false when the file is absent.</summary>
    public static bool IsOpenAlone(string path)
    {
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            return false;
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (IOException exception) when (IsHeld(exception))
        {
            return true;
        }
    }

    public static PosixError Find(string path, out FileFacts facts)
    {
        facts = default;
        try
        {
            if (new FileInfo(path) is { Exists: true } file)
            {
                facts = new()
                {
                    Identity = IdentityOf(file.CreationTimeUtc),
                    Length = file.Length,
                    ModifiedTicks = file.LastWriteTimeUtc.Ticks,
                    IsDirectory = false,
                    IsFile = true,
                };
                return PosixError.None;
            }

            if (new DirectoryInfo(path) is { Exists: true } directory)
            {
                facts = new()
                {
                    Identity = IdentityOf(directory.CreationTimeUtc),
                    Length = 0,
                    ModifiedTicks = directory.LastWriteTimeUtc.Ticks,
                    IsDirectory = true,
                    IsFile = false,
                };
                return PosixError.None;
            }

            return PosixError.NotFound;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return ErrorOf(exception, path);
        }
    }

    public static PosixError Find(SafeFileHandle file, out FileFacts facts)
    {
        var found = default(FileFacts);
        var error = Try(null, () => found = new()
        {
            Identity = IdentityOf(File.GetCreationTimeUtc(file)),
            Length = RandomAccess.GetLength(file),
            ModifiedTicks = File.GetLastWriteTimeUtc(file).Ticks,
            IsDirectory = false,
            IsFile = true,
        });
        facts = found;
        return error;
    }

    private static FileIdentity IdentityOf(DateTime born) => new(0, 0, 0, born.Ticks);

    private static PosixError Open(string path, FileMode mode, FileAccess access, out SafeFileHandle file)
    {
        var opened = new SafeFileHandle(-1, ownsHandle: false);
        var error = Try(path, () => opened = File.OpenHandle(path, mode, access, Anybody));
        file = opened;
        return error;
    }

    private static PosixError Try(string? path, Action call)
    {
        try
        {
            call();
            return PosixError.None;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return ErrorOf(exception, path);
        }
    }

    /// <summary>The number that Linux would have given: callers know no others.</summary>
    private static PosixError ErrorOf(Exception exception, string? path) => exception switch
    {
        FileNotFoundException or DirectoryNotFoundException => PosixError.NotFound,
        PathTooLongException => PosixError.NameTooLong,
        UnauthorizedAccessException => path is not null && Directory.Exists(path) ? PosixError.IsADirectory : PosixError.AccessDenied,
        _ when IsFull(exception) => PosixError.NoSpace,
        _ when path is not null && (File.Exists(path) || Directory.Exists(path)) => PosixError.Exists,
        _ => PosixError.Io,
    };

    /// <summary>ERROR_SHARING_VIOLATION, or EWOULDBLOCK of Linux and of macOS.</summary>
    private static bool IsHeld(IOException exception) => exception.HResult is unchecked((int)0x80070020) or 11 or 35;

    /// <summary>ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL, or ENOSPC.</summary>
    private static bool IsFull(Exception exception) => exception.HResult is unchecked((int)0x80070070) or unchecked((int)0x80070027) or 28;
}
