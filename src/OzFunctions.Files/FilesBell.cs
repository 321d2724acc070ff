using OzFunctions.Blobs;
using OzFunctions.Local;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Files;

/// <summary>
/// A bell is a file that each ring makes a byte longer, which listeners of any process notice by a watch, within a millisecond, or else by looking
/// once a second. A listener made before a ring never misses it.
/// </summary>
public sealed class FilesBell(FilesStore store) : IBell
{
    private const long Longest = 64 * 1024;

    public Task RingAsync(string workerId, RunId runId, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled(cancellationToken);
        }

        try
        {
            Ring(PathOf(workerId));
        }
        catch (Exception exception) when (exception is BlobStoreException || StoreFaults.IsFault(exception))
        {
            // Only a hint: on a full disk listeners find the work by looking, and the store itself tells what is wrong.
        }

        return Task.CompletedTask;
    }

    public IBellListener Listen(string workerId)
    {
        var path = PathOf(workerId);
        return new Listener(store, path);
    }

    private static void Ring(string path)
    {
        var error = PosixFiles.OpenAppend(path, out var file);
        using (file)
        {
            if (error.Ok && FileFacts.Find(file, out var facts).Ok && facts.Length >= Longest)
            {
                PosixFiles.Truncate(file, 0);
            }

            if (error.Ok)
            {
                RandomAccess.Write(file, "!"u8, 0); // to the end, as the file is open for appending
            }
        }
    }

    private string PathOf(string workerId) => Path.Join(store.Directory, "bells", FileNames.Single(workerId));

    private sealed class Listener : IBellListener
    {
        private readonly FilesStore _store;
        private readonly string _path;
        private readonly DirectoryWatch _watch;
        private readonly Lock _lock = new();
        private (long, long, FileIdentity) _heard;

        public Listener(FilesStore store, string path)
        {
            _store = store;
            _path = path;
            _watch = store.Watch(Path.GetDirectoryName(path)!);
            _heard = Look();
        }

        public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
        {
            var started = _store.Time.GetTimestamp();
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var changed = _watch.Changed.Next;
                if (HasRung())
                {
                    return true;
                }

                var left = atMost - _store.Time.GetElapsedTime(started);
                if (left <= TimeSpan.Zero)
                {
                    return false;
                }

                await _watch.Changed.WaitAsync(changed, left < _watch.PollEvery ? left : _watch.PollEvery, cancellationToken);
            }
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private bool HasRung()
        {
            lock (_lock)
            {
                var now = Look();
                var rung = now != _heard;
                _heard = now;
                return rung;
            }
        }

        private (long, long, FileIdentity) Look() =>
            FileFacts.Find(_path, out var facts).Ok ? (facts.Length, facts.ModifiedTicks, facts.Identity) : default;
    }
}
