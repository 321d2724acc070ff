using Microsoft.Win32.SafeHandles;

namespace OzFunctions.Local;

/// <summary>A lock file kept open and locked again and again, between processes. Threads of one process need a lock of their own beside it.</summary>
public sealed class LockFile : IDisposable
{
    private readonly string _path;
    private SafeFileHandle? _gate;

    private LockFile(string path, SafeFileHandle file)
    {
        _path = path;
        File = file;
    }

    /// <summary>The open file; what is written there is seen by the next holder.</summary>
    public SafeFileHandle File { get; }

    public static LockFile Open(string path)
    {
        var error = PosixFiles.OpenOrCreate(path, out var file);
        return error.Ok ? new(path, file) : throw error.At(path, "open the lock file");
    }

    /// <summary>Waits for the lock. Only for sections of a few system calls.</summary>
    public void Lock()
    {
        if (!HostSystem.IsLinux)
        {
            // A file beside it, as .NET locks by opening and this one stays open.
            var spin = new SpinWait();
            while ((_gate = PortableFiles.TryOpenAlone(_path + ".gate", create: true)) is null)
            {
                spin.SpinOnce();
            }

            return;
        }

        PosixError error;
        do
        {
            error = PosixError.Of(Libc.Flock(File, Libc.LockExclusive));
        }
        while (error == PosixError.Interrupted);

        if (!error.Ok)
        {
            throw error.At(_path, "lock");
        }
    }

    public void Unlock()
    {
        if (HostSystem.IsLinux)
        {
            _ = Libc.Flock(File, Libc.Unlock);
        }

        _gate?.Dispose();
        _gate = null;
    }

    public void Dispose()
    {
        _gate?.Dispose();
        File.Dispose();
    }
}
