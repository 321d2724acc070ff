using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using OzFunctions.Blobs;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>One data directory opened by one process: its places, its locks and its temporary files. The ports are made from it.</summary>
public sealed partial class FilesStore : IDisposable
{
    private const string DocumentName = "store.json";
    private const string LockName = "lock";

    private readonly FilesStoreOptions _options;
    private readonly Stripe[] _stripes;
    private readonly ConcurrentDictionary<string, Lazy<DirectoryWatch>> _watches = new(StringComparer.Ordinal);
    private readonly FileLock _instanceLock;
    private long _temporaries;

    private FilesStore(FilesStoreOptions options, string directory, TimeProvider time)
    {
        _options = options;
        Time = time;
        Directory = directory;
        BlobDirectory = Path.Join(directory, "ozfunctions");
        MetadataDirectory = Path.Join(directory, "meta");
        _stripes = [.. Enumerable.Range(0, 256).Select(number => new Stripe(this, Path.Join(directory, "locks", number.ToString("x2"))))];
        _instanceLock = MakeInstance();
    }

    /// <summary>The data directory, absolute.</summary>
    public string Directory { get; }

    /// <summary>The store's own id, given when it was made.</summary>
    public string StoreId { get; private set; } = "";

    /// <summary>
    /// Whether the machine was started anew since <see cref="NoteBoot"/> was called last: index entries and markers, which are not synced,
    /// may be missing and are to be rebuilt from the records.
    /// </summary>
    public bool BootChanged { get; private set; }

    /// <summary>This opening of the store; others see by a lock whether it lives.</summary>
    internal string Instance { get; private set; } = "";

    internal string BootId => Local.BootId.Current;

    internal string BlobDirectory { get; }

    internal string MetadataDirectory { get; }

    internal TimeProvider Time { get; }

    internal bool SyncsForPower => _options.Durability == Durability.Power;

    /// <summary>Called between the steps of a write, so that tests can end the process there.</summary>
    internal Action<string>? Step { get; set; }

    /// <summary>
    /// Opens the data directory, making it when absent. Throws <see cref="BlobStoreException"/> with a sentence when it cannot serve: a network
    /// file system, no permission, file times too coarse, a newer format.
    /// </summary>
    public static FilesStore Open(FilesStoreOptions options, TimeProvider time)
    {
        var directory = MakeDirectory(options.Directory, options.AllowNetworkFileSystem, ", or Azure Storage with --storage");
        try
        {
            foreach (var place in (ReadOnlySpan<string>)["locks", "tmp", "ozfunctions", "meta", "hosts", "queues", "bells"])
            {
                MakeDirectories(Path.Join(directory, place));
            }

            var store = new FilesStore(options, directory, time);
            try
            {
                store.CheckTimes();
                store.ReadOrMakeDocument();
                store.CleanUp();
                return store;
            }
            catch
            {
                store.Dispose();
                throw;
            }
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            throw StoreFaults.From(exception, directory);
        }
    }

    /// <summary>
    /// Makes the data directory when it is absent, mode 0700, and keeps it out of commits, also where only keys and attempts of this machine are in it. Throws
    /// <see cref="BlobStoreException"/> with a sentence when it cannot serve.
    /// </summary>
    /// <param name="path">Where.</param>
    /// <param name="allowNetworkFileSystem">Whether one is taken all the same.</param>
    /// <param name="otherWay">What else may be done about a network file system, behind a comma.</param>
    /// <returns>Its full path.</returns>
    public static string MakeDirectory(string path, bool allowNetworkFileSystem = false, string otherWay = "")
    {
        var directory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (!allowNetworkFileSystem && NetworkFileSystems.Find(directory) is { } kind)
        {
            throw new BlobStoreException(
                $"The data directory '{directory}' is on a network file system ({kind}), where file locks and watches cannot be relied on: choose a local directory with --data{otherWay}.",
                isTransient: false, null);
        }

        if (File.Exists(directory))
        {
            throw new BlobStoreException($"The data directory '{directory}' is a file: choose another place with --data.", isTransient: false, null);
        }

        Guarded(directory, path =>
        {
            MakeDirectories(path);
            IgnoreInGit(path);
        });
        return directory;
    }

    /// <summary>Notes that all indexes are whole since this start of the machine.</summary>
    public void NoteBoot()
    {
        if (BootChanged)
        {
            Guarded(Path.Join(Directory, DocumentName), path => DurableFiles.Replace(path, Render(new StoreDocument { StoreId = StoreId, BootId = BootId })));
            BootChanged = false;
        }
    }

    /// <summary>Gives up watches, locks and temporary files; messages received and not completed are visible to others at once.</summary>
    public void Dispose()
    {
        foreach (var watch in _watches.Values.Where(watch => watch.IsValueCreated))
        {
            watch.Value.Dispose();
        }

        foreach (var stripe in _stripes)
        {
            stripe.Close();
        }

        RemoveInstance(_instanceLock);
    }

    internal Stripe StripeOf(string name)
    {
        // FNV-1a: the same in every process, unlike string.GetHashCode.
        var hash = 2166136261u;
        foreach (var c in name)
        {
            hash = (hash ^ c) * 16777619u;
        }

        return _stripes[(hash ^ (hash >> 8) ^ (hash >> 16) ^ (hash >> 24)) & 0xff];
    }

    /// <summary>A new file of this process alone; whoever creates it renames or removes it.</summary>
    internal string NewTemporary(out SafeFileHandle file)
    {
        var path = Path.Join(Directory, "tmp", Instance, Interlocked.Increment(ref _temporaries).ToString());
        var error = PosixFiles.CreateNew(path, out file);
        return error.Ok ? path : throw StoreFaults.From(error, path);
    }

    internal DirectoryWatch Watch(string directory) => _watches.GetOrAdd(
        directory, key => new(() => new DirectoryWatch(key, _options.UseWatches, Time))).Value;

    /// <summary>Whether another opening of the store is still there.</summary>
    internal bool IsAlive(string instance) => instance == Instance || FileLock.IsHeld(Path.Join(Directory, "tmp", instance, LockName));

    internal TimeSpan AgeOf(FileFacts facts) => TimeSpan.FromTicks(Math.Max(0, Time.GetUtcNow().UtcTicks - facts.ModifiedTicks));

    /// <summary>Makes a directory and those above it, mode 0700, however many processes do or undo the same.</summary>
    internal static void MakeDirectories(string path)
    {
        for (var round = 0; ; round++)
        {
            var error = PosixFiles.MakeDirectory(path);
            if (error.Ok || error == PosixError.Exists)
            {
                return;
            }

            // Absent parents are made; one that is pruned under our hands is made again.
            if (error != PosixError.NotFound || round == 100 || Path.GetDirectoryName(path) is not { } parent)
            {
                throw StoreFaults.From(error, path);
            }

            MakeDirectories(parent);
        }
    }

    private static byte[] Render(StoreDocument document) => [.. JsonSerializer.SerializeToUtf8Bytes(document, FilesJson.Default.StoreDocument), (byte)'\n'];

    // Runs, prompts and logs do not belong into a commit.
    private static void IgnoreInGit(string directory)
    {
        for (var place = Path.GetDirectoryName(directory); place is not null; place = Path.GetDirectoryName(place))
        {
            if (Path.Exists(Path.Join(place, ".git")))
            {
                var path = Path.Join(directory, ".gitignore");
                _ = File.Exists(path) || DurableFiles.WriteNew(path, "*\n"u8);
                return;
            }
        }
    }

    private static void Guarded(string path, Action<string> action)
    {
        try
        {
            action(path);
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            throw StoreFaults.From(exception, path);
        }
    }

    private void ReadOrMakeDocument()
    {
        var path = Path.Join(Directory, DocumentName);
        if (!File.Exists(path))
        {
            DurableFiles.WriteNew(path, Render(new StoreDocument { StoreId = Guid.NewGuid().ToString("D"), BootId = BootId }));
        }

        var document = Parse(path);
        if (document.Format > StoreDocument.CurrentFormat)
        {
            throw new BlobStoreException(
                $"The data directory '{Directory}' was written by a newer version (format {document.Format}, this one knows {StoreDocument.CurrentFormat}): upgrade, or choose another directory with --data.",
                isTransient: false, null);
        }

        StoreId = document.StoreId;
        BootChanged = BootId.Length > 0 && document.BootId != BootId;
    }

    private static StoreDocument Parse(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), FilesJson.Default.StoreDocument)
                ?? throw new JsonException("null");
        }
        catch (JsonException exception)
        {
            throw new BlobStoreException($"'{path}' is damaged: restore it from a backup. It holds the store's id and format; the other files are not touched.", isTransient: false, exception);
        }
    }

    /// <summary>Versions are told apart by the file's time: a disk that rounds it would let two writers both win.</summary>
    private void CheckTimes()
    {
        var path = NewTemporary(out var file);
        using (file)
        {
            var ticks = (Time.GetUtcNow().UtcTicks / TimeSpan.TicksPerMicrosecond * TimeSpan.TicksPerMicrosecond) + 7;
            var kept = PosixFiles.SetModified(file, ticks).Ok && FileFacts.Find(path, out var facts).Ok && facts.ModifiedTicks == ticks;
            PosixFiles.Unlink(path);
            if (!kept)
            {
                throw new BlobStoreException(
                    $"The file system of '{Directory}' does not keep file times to 100 ns, by which versions are told apart: choose a directory on ext4, xfs, btrfs or tmpfs with --data.",
                    isTransient: false, null);
            }
        }
    }
}
