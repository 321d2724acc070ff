namespace OzFunctions.Files;

/// <summary>
/// Tells that something in a directory changed: by a file-system watch where one is to be had (128 inotify instances per user by default), else
/// its readers poll. A hint only: they look again every <see cref="PollEvery"/> in any case.
/// </summary>
internal sealed class DirectoryWatch : IDisposable
{
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Unwatched = TimeSpan.FromMilliseconds(50);

    private FileSystemWatcher? _watcher;

    public DirectoryWatch(string directory, bool useWatch, TimeProvider time)
    {
        Changed = new Wake(time);
        _watcher = useWatch ? TryWatch(directory) : null;
    }

    public Wake Changed { get; }

    public bool IsWatching => Volatile.Read(ref _watcher) is not null;

    public TimeSpan PollEvery => IsWatching ? Watched : Unwatched;

    public void Dispose() => Interlocked.Exchange(ref _watcher, null)?.Dispose();

    private FileSystemWatcher? TryWatch(string directory)
    {
        FileSystemWatcher? watcher = null;
        try
        {
            watcher = new FileSystemWatcher(directory) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.Size | NotifyFilters.LastWrite };
            watcher.Created += (_, _) => Changed.Ring();
            watcher.Changed += (_, _) => Changed.Ring();
            watcher.Renamed += (_, _) => Changed.Ring();
            watcher.Error += (_, _) => GiveUp();
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception) || exception is ArgumentException)
        {
            // No instance left, or none of the kind on this file system.
            watcher?.Dispose();
            return null;
        }
    }

    private void GiveUp()
    {
        Dispose();
        Changed.Ring();
    }
}
