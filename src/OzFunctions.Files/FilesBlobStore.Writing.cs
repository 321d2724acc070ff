using Microsoft.Win32.SafeHandles;
using OzFunctions.Blobs;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>
/// Writing: temporary file and its sync first, then, under the blob's lock, compare, sidecar, name; the directory's sync last, outside the lock.
/// A full disk meets the temporary file, never the version that is there.
/// </summary>
public sealed partial class FilesBlobStore
{
    private const int CutBlock = 64 * 1024;

    public Task<ETag?> TryCreateAsync(string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken) =>
        AnswerAsync(name, cancellationToken, (relative, path) =>
        {
            var etag = FindFacts(path) is null ? Create(name, relative, path, content.Span, metadata) : null;

            // Whoever is told "there is one" acts on it, so the other's name must not get lost any more either.
            _store.SyncDirectory(Path.GetDirectoryName(path)!);
            return etag;
        });

    public Task<ETag?> TryReplaceAsync(
        string name, ReadOnlyMemory<byte> content, IReadOnlyDictionary<string, string>? metadata, ETag match, CancellationToken cancellationToken) =>
        AnswerAsync(name, cancellationToken, (relative, path) =>
        {
            if (FindFacts(path) is not { } looked || ETagOf(looked) != match)
            {
                return null;
            }

            var temporary = _store.WriteTemporary(content.Span, durable: true);
            return Publish(name, relative, path, temporary, content.Length, metadata, match, durable: true);
        });

    public Task<ETag> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        AnswerAsync(name, cancellationToken, (relative, path) =>
        {
            if (content.IsEmpty && PutEmpty(name, path) is { } etag)
            {
                return etag;
            }

            var temporary = _store.WriteTemporary(content.Span, durable: false);
            return Publish(name, relative, path, temporary, content.Length, null, null, durable: false)!.Value;
        });

    public async Task<BlobEntry> UploadAsync(
        string name, Stream content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var relative = FileNames.PathOf(name);
        var path = Path.Join(_store.BlobDirectory, relative);
        var temporary = await _store.WriteTemporaryAsync(content, cancellationToken);
        return Guarded(path, _ =>
        {
            var length = FindFacts(temporary) is { } facts ? facts.Length : throw StoreFaults.From(PosixError.NotFound, temporary);
            var etag = Publish(name, relative, path, temporary, length, metadata, null, durable: true)!.Value;
            return new BlobEntry { Name = name, ETag = etag, Length = length, Age = TimeSpan.Zero, Metadata = metadata };
        });
    }

    public Task<bool> TryDeleteAsync(string name, ETag? match, CancellationToken cancellationToken) =>
        AnswerAsync(name, cancellationToken, (relative, path) =>
        {
            using (var hold = _store.StripeOf(name).Enter())
            {
                if (FindFacts(path) is not { } facts)
                {
                    return true;
                }

                if (match is { } expected && ETagOf(facts) != expected)
                {
                    return false;
                }

                // So that a blob created anew gets a later version also while the clock stands still.
                hold.NextVersion(facts.ModifiedTicks);
                Check(PosixFiles.Unlink(path), path);
                _sidecars.Delete(relative);
            }

            Prune(relative);
            return true;
        });

    public Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return AnswerAsync(name, cancellationToken, (relative, path) =>
        {
            using var hold = _store.StripeOf(name).Enter();
            SafeFileHandle? opened = null;
            var error = offset > 0 ? PosixFiles.OpenWrite(path, out opened) : FilesStore.Place(path, () =>
            {
                opened?.Dispose();
                return PosixFiles.OpenOrCreate(path, out opened);
            });
            using var file = opened!;
            if (offset > 0 && IsAbsent(error))
            {
                return false;
            }

            Check(error, path);
            Check(FileFacts.Find(file, out var facts), path);
            var length = facts.Length > offset && IsTornLog(name, content.Span, file, facts.Length)
                ? CutToLastLine(file, path, facts.Length)
                : facts.Length;
            if (length != offset)
            {
                return false;
            }

            var version = hold.NextVersion(facts.ModifiedTicks);
            hold.BeginAppend(relative, offset, offset + content.Length);
            try
            {
                _store.Step?.Invoke("append begun");
                RandomAccess.Write(file, content.Span, offset);
                Check(PosixFiles.SetModified(file, version), path);
            }
            catch
            {
                // A full disk takes a part; none of it may stay.
                PosixFiles.Truncate(file, offset);
                throw;
            }
            finally
            {
                hold.EndAppend(version);
            }

            return true;
        });
    }

    public Task FlushAsync(string name, CancellationToken cancellationToken) =>
        AnswerAsync(name, cancellationToken, (_, path) =>
        {
            var error = PosixFiles.OpenRead(path, out var file);
            using (file)
            {
                Check(error, path);
                _store.SyncContent(file, path, durable: true);
            }

            _store.SyncDirectory(Path.GetDirectoryName(path)!);
            return true;
        });

    private static void Check(PosixError error, string path)
    {
        if (!error.Ok)
        {
            throw StoreFaults.From(error, path);
        }
    }

    private ETag? Create(string name, string relative, string path, ReadOnlySpan<byte> content, IReadOnlyDictionary<string, string>? metadata)
    {
        var temporary = _store.WriteTemporary(content, durable: true);
        _store.Step?.Invoke("temporary written");
        try
        {
            using var hold = _store.StripeOf(name).Enter();
            if (FindFacts(path) is not null)
            {
                return null;
            }

            var version = hold.NextVersion(null);
            var etag = ETagOf(version, content.Length);
            SetVersion(temporary, version);
            if (metadata is not null)
            {
                _sidecars.Write(relative, etag, metadata);
                _store.Step?.Invoke("sidecar renamed");
            }

            // Exclusive on its own account: the lock binds only those who take it.
            var error = FilesStore.Place(path, () => PosixFiles.Link(temporary, path));
            if (error == PosixError.Exists)
            {
                return FindFacts(path) is null ? throw StoreFaults.From(PosixError.IsADirectory, path) : null;
            }

            Check(error, path);
            _store.Step?.Invoke("name given");
            return etag;
        }
        finally
        {
            PosixFiles.Unlink(temporary);
        }
    }

    /// <summary>Gives a temporary file the blob's name; with <paramref name="match"/> only in place of that version, else null.</summary>
    private ETag? Publish(
        string name, string relative, string path, string temporary, long length, IReadOnlyDictionary<string, string>? metadata, ETag? match, bool durable)
    {
        _store.Step?.Invoke("temporary written");
        try
        {
            ETag etag;
            using (var hold = _store.StripeOf(name).Enter())
            {
                var present = FindFacts(path);
                if (match is { } expected && (present is not { } facts || ETagOf(facts) != expected))
                {
                    PosixFiles.Unlink(temporary);
                    return null;
                }

                var version = hold.NextVersion(present?.ModifiedTicks);
                etag = ETagOf(version, length);
                SetVersion(temporary, version);
                if (metadata is not null)
                {
                    _sidecars.Write(relative, etag, metadata);
                    _store.Step?.Invoke("sidecar renamed");
                }

                Check(FilesStore.Place(path, () => PosixFiles.Rename(temporary, path)), path);
                _store.Step?.Invoke("name given");
            }

            if (durable)
            {
                _store.SyncDirectory(Path.GetDirectoryName(path)!);
            }

            return etag;
        }
        catch
        {
            PosixFiles.Unlink(temporary);
            throw;
        }
    }

    private static void SetVersion(string temporary, long version)
    {
        Check(PosixFiles.OpenWrite(temporary, out var file), temporary);
        using (file)
        {
            Check(PosixFiles.SetModified(file, version), temporary);
        }
    }

    /// <summary>Index entries and markers: no temporary file, one new time. Null: there is content to replace.</summary>
    private ETag? PutEmpty(string name, string path)
    {
        using var hold = _store.StripeOf(name).Enter();
        var present = FindFacts(path);
        if (present is { Length: > 0 })
        {
            return null;
        }

        SafeFileHandle? opened = null;
        var error = FilesStore.Place(path, () =>
        {
            opened?.Dispose();
            return PosixFiles.OpenOrCreate(path, out opened);
        });
        using var file = opened!;
        Check(error, path);
        var version = hold.NextVersion(present?.ModifiedTicks);
        Check(PosixFiles.SetModified(file, version), path);
        return ETagOf(version, 0);
    }

    /// <summary>
    /// Logs are appended to in whole lines; one that ends within a line was cut by the loss of power. (What a kill cuts short, the lock's
    /// own memory takes back.)
    /// </summary>
    private static bool IsTornLog(string name, ReadOnlySpan<byte> content, SafeFileHandle file, long length)
    {
        Span<byte> last = stackalloc byte[1];
        return name.EndsWith(".ndjson", StringComparison.Ordinal) && content is [.., (byte)'\n']
            && RandomAccess.Read(file, last, length - 1) == 1 && last[0] != '\n';
    }

    private static long CutToLastLine(SafeFileHandle file, string path, long length)
    {
        var block = new byte[CutBlock];
        var end = length;
        while (end > 0)
        {
            var start = Math.Max(0, end - block.Length);
            var read = RandomAccess.Read(file, block.AsSpan(0, (int)(end - start)), start);
            if (block.AsSpan(0, read).LastIndexOf((byte)'\n') is >= 0 and var found)
            {
                end = start + found + 1;
                break;
            }

            end = start;
        }

        Check(PosixFiles.Truncate(file, end), path);
        return end;
    }

    /// <summary>
    /// Removes directories that a delete left empty, from the third level up to the second: a run's own. Busy ones (<c>ready/&lt;w&gt;</c>,
    /// <c>runs/&lt;i5&gt;</c>) are left to listings. A creator who loses the directory under his hands makes it again.
    /// </summary>
    private void Prune(string relative)
    {
        var parent = Path.GetDirectoryName(relative) ?? "";
        for (var deep = parent.Count(c => c == '/') >= 2; deep && parent.Contains('/', StringComparison.Ordinal); parent = Path.GetDirectoryName(parent)!)
        {
            PosixFiles.RemoveDirectory(Path.Join(_store.MetadataDirectory, parent));
            if (!PosixFiles.RemoveDirectory(Path.Join(_store.BlobDirectory, parent)).Ok)
            {
                return;
            }
        }
    }
}
