using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>
/// One of the 256 locks that writers take, between processes and threads. Its file remembers two things for the next holder: by its own
/// modification time the last version given out, and as content an append that was begun.
/// </summary>
internal sealed class Stripe(FilesStore store, string path)
{
    private const long MillisecondTicks = TimeSpan.TicksPerMillisecond;

    private readonly Lock _threads = new();
    private LockFile? _file;

    /// <summary>Waits for the lock; what a killed holder left half done is put right first.</summary>
    public Hold Enter()
    {
        _threads.Enter();
        try
        {
            _file ??= LockFile.Open(path);
            _file.Lock();
            try
            {
                Check(FileFacts.Find(_file.File, out var facts));
                if (facts.Length > 0)
                {
                    UndoAppend(facts.Length);
                }

                return new Hold(this, facts.ModifiedTicks);
            }
            catch
            {
                _file.Unlock();
                throw;
            }
        }
        catch
        {
            _threads.Exit();
            throw;
        }
    }

    public void Close() => _file?.Dispose();

    private void UndoAppend(long length)
    {
        var intent = new byte[(int)Math.Min(length, 1 << 16)];
        var read = RandomAccess.Read(_file!.File, intent, 0);
        var parts = Encoding.UTF8.GetString(intent, 0, read).Split('\n');

        // Boot, old length, new length, path and an empty end: anything else is an intent that was not whole, so nothing was written yet.
        // One of an earlier boot says nothing: what power loss leaves follows other rules.
        if (parts is [var boot, var oldText, var newText, var file, ""] && boot == store.BootId
            && long.TryParse(oldText, NumberStyles.None, CultureInfo.InvariantCulture, out var oldLength)
            && long.TryParse(newText, NumberStyles.None, CultureInfo.InvariantCulture, out var newLength))
        {
            CutBack(Path.Join(store.BlobDirectory, file), oldLength, newLength);
        }

        Check(PosixFiles.Truncate(_file.File, 0));
    }

    private static void CutBack(string path, long oldLength, long newLength)
    {
        var error = PosixFiles.OpenWrite(path, out var file);
        using (file)
        {
            if (error.Ok && FileFacts.Find(file, out var facts).Ok && facts.Length > oldLength && facts.Length < newLength)
            {
                Check(PosixFiles.Truncate(file, oldLength), path);
            }
        }
    }

    private static void Check(PosixError error, string path)
    {
        if (!error.Ok)
        {
            throw StoreFaults.From(error, path);
        }
    }

    private void Check(PosixError error) => Check(error, path);

    /// <summary>The lock while it is held, by one thread.</summary>
    internal readonly struct Hold(Stripe stripe, long highest) : IDisposable
    {
        /// <summary>
        /// A modification time, and so an ETag, that no version of a blob of this stripe had: later than the last one given out and than
        /// <paramref name="previous"/>. Times more than a second ahead of the clock are left behind: the clock was put back, and ages follow the clock.
        /// </summary>
        public long NextVersion(long? previous)
        {
            var now = stripe.Now();
            var limit = now + TimeSpan.TicksPerSecond;
            var known = Math.Max(highest <= limit ? highest : 0, previous is { } ticks && ticks <= limit ? ticks : 0);

            // Random below the millisecond, for the case that the lock file and its memory were lost.
            var wanted = previous is null || previous > limit ? now - RandomNumberGenerator.GetInt32((int)MillisecondTicks) : now;
            var version = Math.Max(wanted, known + 1);
            Remember(version);
            return version;
        }

        /// <summary>Notes an append, so that the next holder can take back one that a kill cut short.</summary>
        public void BeginAppend(string relativePath, long oldLength, long newLength) => RandomAccess.Write(
            stripe._file!.File, Encoding.UTF8.GetBytes($"{stripe.Boot}\n{oldLength}\n{newLength}\n{relativePath}\n"), 0);

        public void EndAppend(long version)
        {
            stripe.Check(PosixFiles.Truncate(stripe._file!.File, 0));
            Remember(version);
        }

        public void Dispose()
        {
            stripe._file!.Unlock();
            stripe._threads.Exit();
        }

        private void Remember(long version) => stripe.Check(PosixFiles.SetModified(stripe._file!.File, version));
    }

    private string Boot => store.BootId;

    private long Now() => store.Time.GetUtcNow().UtcTicks;
}
