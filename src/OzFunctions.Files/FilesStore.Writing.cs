using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>Getting bytes and names onto the disk.</summary>
public sealed partial class FilesStore
{
    private const int MostKnownDirectories = 4096;

    /// <summary>Directories whose own names are known to be on the disk, all the way up.</summary>
    private readonly ConcurrentDictionary<string, FileIdentity> _durableDirectories = new(StringComparer.Ordinal);

    /// <summary>Writes a temporary file; synced where power loss counts and <paramref name="durable"/> asks for it.</summary>
    internal string WriteTemporary(ReadOnlySpan<byte> content, bool durable)
    {
        var path = NewTemporary(out var file);
        using (file)
        {
            try
            {
                Write(file, path, content, 0);
                SyncContent(file, path, durable);
                return path;
            }
            catch
            {
                PosixFiles.Unlink(path);
                throw;
            }
        }
    }

    /// <summary>What reading <paramref name="content"/> throws passes as it is; what the disk refuses becomes a sentence.</summary>
    internal async Task<string> WriteTemporaryAsync(Stream content, CancellationToken cancellationToken)
    {
        var path = NewTemporary(out var file);
        using (file)
        {
            try
            {
                var buffer = new byte[128 * 1024];
                for (long offset = 0; await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken) is > 0 and var read; offset += read)
                {
                    Write(file, path, buffer.AsSpan(0, read), offset);
                }

                SyncContent(file, path, durable: true);
                return path;
            }
            catch
            {
                PosixFiles.Unlink(path);
                throw;
            }
        }
    }

    private static void Write(SafeFileHandle file, string path, ReadOnlySpan<byte> content, long offset)
    {
        try
        {
            RandomAccess.Write(file, content, offset);
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            throw StoreFaults.From(exception, path);
        }
    }

    internal void SyncContent(SafeFileHandle file, string path, bool durable)
    {
        if (durable && SyncsForPower)
        {
            var error = PosixFiles.Fsync(file);
            if (!error.Ok)
            {
                throw StoreFaults.From(error, path);
            }
        }
    }

    /// <summary>Makes the names in a directory durable, and the directory's own the first time it is met.</summary>
    internal void SyncDirectory(string directory)
    {
        if (!SyncsForPower || !HostSystem.IsLinux)
        {
            return;
        }

        var met = new List<(string, FileIdentity)>();
        for (var place = directory; place is not null && place.Length >= Directory.Length; place = Path.GetDirectoryName(place))
        {
            var error = PosixFiles.OpenRead(place, out var file);
            using (file)
            {
                if (error == PosixError.NotFound)
                {
                    // Somebody deleted what we wrote, and then the empty directory.
                    return;
                }

                error = error.Ok ? PosixFiles.Fsync(file) : error;
                if (!error.Ok || !(error = FileFacts.Find(file, out var facts)).Ok)
                {
                    throw StoreFaults.From(error, place);
                }

                if (_durableDirectories.TryGetValue(place, out var known) && known == facts.Identity)
                {
                    break;
                }

                met.Add((place, facts.Identity));
            }
        }

        if (_durableDirectories.Count > MostKnownDirectories)
        {
            _durableDirectories.Clear();
        }

        foreach (var (place, identity) in met)
        {
            _durableDirectories[place] = identity;
        }
    }

    /// <summary>Puts a finished file under its name; makes the directories it needs, again when somebody prunes them meanwhile.</summary>
    internal static PosixError Place(string path, Func<PosixError> place)
    {
        for (var round = 0; ; round++)
        {
            var error = place();
            if (error != PosixError.NotFound || round == 100)
            {
                return error;
            }

            MakeDirectories(Path.GetDirectoryName(path)!);
        }
    }
}
