using Microsoft.Win32.SafeHandles;
using OzFunctions.Blobs;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>
/// Blobs as plain files below <c>ozfunctions/</c>: a record's file is exactly its JSON, a log can be tailed. The ETag is the file's own time (to
/// 100 ns, set by the writer, never given twice) with its length.
/// </summary>
public sealed partial class FilesBlobStore : IBlobStore
{
    /// <summary>The prefix whose metadata is rebuilt from the content when it is missing.</summary>
    private const string Described = "runs/";

    private const long LargestDescribed = 8 << 20;

    private readonly FilesStore _store;
    private readonly Sidecars _sidecars;
    private readonly Func<string, ReadOnlyMemory<byte>, IReadOnlyDictionary<string, string>?>? _describe;

    /// <param name="store">The opened data directory.</param>
    /// <param name="describe">Rebuilds the metadata of a blob below <c>runs/</c> from its name and content; null: there is nothing to say.</param>
    public FilesBlobStore(FilesStore store, Func<string, ReadOnlyMemory<byte>, IReadOnlyDictionary<string, string>?>? describe = null)
    {
        _store = store;
        _sidecars = new Sidecars(store);
        _describe = describe;
    }

    public Task<Blob?> FindAsync(string name, CancellationToken cancellationToken) =>
        AnswerAsync(name, cancellationToken, (relative, path) => Read(name, relative, path, null).Blob);

    public Task<BlobChange> FindChangeAsync(string name, ETag known, CancellationToken cancellationToken) =>
        AnswerAsync(name, cancellationToken, (relative, path) => Read(name, relative, path, known));

    public Task<BlobEntry?> FindEntryAsync(string name, CancellationToken cancellationToken) =>
        AnswerAsync(name, cancellationToken, (relative, path) => FindFacts(path) is { } facts ? Describe(name, relative, path, facts) : null);

    public Task<Stream?> OpenReadAsync(string name, long offset, long? count, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return AnswerAsync(name, cancellationToken, Stream? (_, path) =>
        {
            var error = PosixFiles.OpenRead(path, out var file);
            if (!error.Ok || !(error = FileFacts.Find(file, out var facts)).Ok || !facts.IsFile)
            {
                file.Dispose();
                return error.Ok || IsAbsent(error) ? null : throw StoreFaults.From(error, path);
            }

            // What is appended from now on is another version's.
            var end = Math.Min(facts.Length, count is { } most ? offset + most : long.MaxValue);
            return new RangeStream(file, offset, Math.Max(offset, end));
        });
    }

    public Uri GetAddress(string name)
    {
        var path = Path.Join(_store.BlobDirectory, FileNames.PathOf(name));
        return new Uri($"file://{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}");
    }

    public Task<Uri?> FindReadLinkAsync(string name, TimeSpan lifetime, CancellationToken cancellationToken) => Task.FromResult<Uri?>(null);

    private static ETag ETagOf(long version, long length) => new($"{version:x}-{length:x}");

    private static ETag ETagOf(FileFacts facts) => ETagOf(facts.ModifiedTicks, facts.Length);

    private static bool IsAbsent(PosixError error) => error == PosixError.NotFound || error == PosixError.NotADirectory;

    private static FileFacts? FindFacts(string path)
    {
        var error = FileFacts.Find(path, out var facts);
        return error.Ok ? (facts.IsFile ? facts : null) : IsAbsent(error) ? null : throw StoreFaults.From(error, path);
    }

    private static byte[] ReadAll(SafeFileHandle file, long length)
    {
        var content = new byte[length];
        var read = 0;
        while (read < content.Length && RandomAccess.Read(file, content.AsSpan(read), read) is > 0 and var more)
        {
            read += more;
        }

        return read == content.Length ? content : content[..read];
    }

    private BlobChange Read(string name, string relative, string path, ETag? known)
    {
        var error = PosixFiles.OpenRead(path, out var file);
        using (file)
        {
            if (!error.Ok || !(error = FileFacts.Find(file, out var facts)).Ok || !facts.IsFile)
            {
                return error.Ok || IsAbsent(error) ? new BlobChange(true, null) : throw StoreFaults.From(error, path);
            }

            // Documents are replaced whole, so one open file is one version; of a log the length bounds what belongs to it.
            var etag = ETagOf(facts);
            if (etag == known)
            {
                return BlobChange.None;
            }

            var content = ReadAll(file, facts.Length);
            return new BlobChange(true, new Blob
            {
                Name = name,
                ETag = etag,
                Length = content.Length,
                Age = _store.AgeOf(facts),
                AsOf = _store.Time.GetUtcNow(),
                Metadata = _sidecars.Find(relative, etag) ?? Rebuild(name, relative, path, etag, content),
                Content = content,
            });
        }
    }

    private BlobEntry? Describe(string name, string relative, string path, FileFacts facts)
    {
        var etag = ETagOf(facts);
        var metadata = _sidecars.Find(relative, etag);
        if (metadata is null && IsDescribed(name) && facts.Length is > 0 and <= LargestDescribed)
        {
            // The whole blob, which also writes the missing sidecar; by now it may be another version.
            return Read(name, relative, path, null).Blob is { } blob
                ? new() { Name = name, ETag = blob.ETag, Length = blob.Length, Age = blob.Age, AsOf = blob.AsOf, Metadata = blob.Metadata }
                : null;
        }

        return new() { Name = name, ETag = etag, Length = facts.Length, Age = _store.AgeOf(facts), AsOf = _store.Time.GetUtcNow(), Metadata = metadata };
    }

    private bool IsDescribed(string name) => _describe is not null && name.StartsWith(Described, StringComparison.Ordinal);

    private IReadOnlyDictionary<string, string>? Rebuild(string name, string relative, string path, ETag etag, byte[] content)
    {
        if (!IsDescribed(name) || content.Length is 0 or > (int)LargestDescribed || _describe!(name, content) is not { } metadata)
        {
            return null;
        }

        try
        {
            using var hold = _store.StripeOf(name).Enter();
            if (FindFacts(path) is { } facts && ETagOf(facts) == etag)
            {
                _sidecars.Write(relative, etag, metadata);
            }
        }
        catch (Exception exception) when (exception is BlobStoreException || StoreFaults.IsFault(exception))
        {
            // Only a shortcut for the next reader; a full or read-only disk must not stop this one.
        }

        return metadata;
    }

    private Task<T> AnswerAsync<T>(string name, CancellationToken cancellationToken, Func<string, string, T> answer)
    {
        // Everything here is some system calls long; failures belong into the task all the same.
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var relative = FileNames.PathOf(name);
            return Task.FromResult(Guarded(Path.Join(_store.BlobDirectory, relative), path => answer(relative, path)));
        }
        catch (OperationCanceledException)
        {
            return Task.FromCanceled<T>(cancellationToken);
        }
        catch (Exception exception) when (exception is BlobStoreException or ArgumentException)
        {
            return Task.FromException<T>(exception);
        }
    }

    private static T Guarded<T>(string path, Func<string, T> answer)
    {
        try
        {
            return answer(path);
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            throw StoreFaults.From(exception, path);
        }
    }
}
