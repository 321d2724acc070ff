using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Local;

/// <summary>
/// An exclusive <c>flock</c> on a file of its own, free at once when its process ends, whatever way. Not .NET's <c>FileShare.None</c>, which
/// an environment variable switches off and which data files take by themselves; outside Linux it is that, for want of another.
/// </summary>
public sealed class FileLock : IDisposable
{
    private readonly SafeFileHandle _file;

    private FileLock(string path, SafeFileHandle file)
    {
        Path = path;
        _file = file;
    }

    public string Path { get; }

    /// <summary>Whether the path still names the locked file; false when somebody removed or replaced it.</summary>
    public bool IsStillThere =>
        FileFacts.Find(_file, out var locked).Ok && FileFacts.Find(Path, out var named).Ok && locked.Identity == named.Identity;

    /// <summary>
    /// Takes the lock without waiting. Null: somebody holds it, or the path stopped being that file while it was taken (protocol C4),
    /// or the file is absent and <paramref name="create"/> is false. Throws <see cref="IOException"/> when the file cannot be opened.
    /// </summary>
    public static FileLock? TryTake(string path, bool create = true)
    {
        if (!HostSystem.IsLinux)
        {
            return TryTakePortably(path, create);
        }

        var error = create ? PosixFiles.OpenOrCreate(path, out var file) : PosixFiles.OpenWrite(path, out file);
        if (!error.Ok)
        {
            file.Dispose();
            return error == PosixError.NotFound && !create ? null : throw error.At(path, "open the lock file");
        }

        if (!TryLock(file, Libc.LockExclusive, path))
        {
            file.Dispose();
            return null;
        }

        return IfStillThere(path, file);
    }

    /// <summary>Whether somebody holds the lock now; false when the file is absent. A probe for an instant keeps others from taking it.</summary>
    public static bool IsHeld(string path)
    {
        if (!HostSystem.IsLinux)
        {
            return PortableFiles.IsOpenAlone(path);
        }

        var error = PosixFiles.OpenRead(path, out var file);
        using (file)
        {
            if (error == PosixError.NotFound || error == PosixError.NotADirectory)
            {
                return false;
            }

            // Shared, so that two probes do not take each other for a holder.
            var free = error.Ok ? TryLock(file, Libc.LockShared, path) : throw error.At(path, "open the lock file");
            if (free)
            {
                _ = Libc.Flock(file, Libc.Unlock);
            }

            return !free;
        }
    }

    /// <summary>Sets the lock file's modification time, a sign of life; false when the file system refused.</summary>
    public bool Touch(DateTimeOffset time) => !_file.IsClosed && PosixFiles.SetModified(_file, time.UtcTicks).Ok;

    /// <summary>Frees the lock; the file stays.</summary>
    public void Dispose()
    {
        if (!_file.IsClosed && HostSystem.IsLinux)
        {
            // Closed alone it would stay held for as long as a child that is just being started, by whatever thread, has its copy: until it executes its program.
            _ = Libc.Flock(_file, Libc.Unlock);
        }

        _file.Dispose();
    }

    private static FileLock? TryTakePortably(string path, bool create)
    {
        try
        {
            return PortableFiles.TryOpenAlone(path, create) is { } file ? IfStillThere(path, file) : null;
        }
        catch (Exception exception) when (!create && exception is (FileNotFoundException or DirectoryNotFoundException))
        {
            return null;
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new IOException($"Could not open the lock file '{path}': {exception.Message}", exception);
        }
    }

    /// <summary>Whoever removes the file does so under the lock; we may have opened it before and locked a file without a name.</summary>
    private static FileLock? IfStillThere(string path, SafeFileHandle file)
    {
        var taken = new FileLock(path, file);
        if (taken.IsStillThere)
        {
            return taken;
        }

        taken.Dispose();
        return null;
    }

    private static bool TryLock(SafeFileHandle file, int kind, string path)
    {
        PosixError error;
        do
        {
            error = PosixError.Of(Libc.Flock(file, kind | Libc.LockNonBlocking));
        }
        while (error == PosixError.Interrupted);

        return error.Ok || (error == PosixError.WouldBlock ? false : throw error.At(path, "lock"));
    }
}
