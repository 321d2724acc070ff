using OzFunctions.Blobs;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>Says what the file system refused, where, and what a person can do about it.</summary>
internal static class StoreFaults
{
    public static BlobStoreException From(PosixError error, string path) => From(error, path, null);

    public static BlobStoreException From(Exception exception, string path)
    {
        var io = exception as IOException ?? exception.InnerException as IOException;
        return io is null
            ? From(PosixError.AccessDenied, path, exception)
            : From(new PosixError(io.HResult & 0xffff), (io as FileNotFoundException)?.FileName ?? path, exception);
    }

    /// <summary>Whether .NET throws this for what a file system refuses.</summary>
    public static bool IsFault(Exception exception) => exception is IOException or UnauthorizedAccessException;

    private static BlobStoreException From(PosixError error, string path, Exception? inner)
    {
        var (text, transient) = Describe(error, path);
        return new BlobStoreException(text, transient, inner) { RefusesAll = error == PosixError.ReadOnlyFileSystem };
    }

    private static (string Text, bool Transient) Describe(PosixError error, string path) => error switch
    {
        _ when error == PosixError.NoSpace || error == PosixError.Quota =>
            ($"The disk is full: '{path}' was not written, what was there before is unharmed. Free some space (or raise the quota) on the disk of the data directory.", true),
        _ when error == PosixError.ReadOnlyFileSystem =>
            ($"The file system of '{path}' is read-only: mount it writable, or choose another data directory with --data.", false),
        _ when error == PosixError.AccessDenied || error == PosixError.NotPermitted =>
            ($"No permission for '{path}': give it to the user this process runs as, or choose another data directory with --data.", false),
        _ when error == PosixError.TooManyOpenFiles || error == PosixError.TooManyOpenFilesInSystem =>
            ($"Too many open files, so '{path}' could not be opened: raise the limit (ulimit -n, LimitNOFILE).", true),
        _ when error == PosixError.NameTooLong =>
            ($"The path '{path}' is too long for this system: choose a shorter data directory with --data, or a shorter name.", false),
        _ when error == PosixError.NotADirectory || error == PosixError.IsADirectory =>
            ($"'{path}' is in the way: on plain files one name cannot be both a blob and the beginning of others.", false),
        _ when error == PosixError.NotFound =>
            ($"'{path}' is gone: somebody removes files from the data directory while it is in use.", true),
        _ when error == PosixError.Io =>
            ($"The disk reported an input/output error at '{path}': check it (dmesg, smartctl) before anything else.", false),
        _ => ($"The file system refused '{path}': {error.Text}.", false),
    };
}
