using System.Security.Cryptography;
using OzFunctions.Blobs;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>The directory of temporary files that each opening has for itself, and what dead ones left.</summary>
public sealed partial class FilesStore
{
    private FileLock MakeInstance()
    {
        for (var round = 0; round < 100; round++)
        {
            var name = RandomNumberGenerator.GetHexString(16, lowercase: true);
            var directory = Path.Join(Directory, "tmp", name);
            if (!DurableFiles.CreateDirectory(directory))
            {
                continue;
            }

            try
            {
                if (FileLock.TryTake(Path.Join(directory, LockName)) is { } taken)
                {
                    Instance = name;
                    return taken;
                }
            }
            catch (FileNotFoundException)
            {
                // Another process took the new directory for a dead one's, before it had a lock, and removed it.
            }
        }

        throw new BlobStoreException($"No directory for temporary files could be made in '{Path.Join(Directory, "tmp")}'.", isTransient: true, null);
    }

    /// <summary>Removes what processes left that were killed: half-written files nobody will ever rename.</summary>
    private void CleanUp()
    {
        foreach (var directory in System.IO.Directory.EnumerateDirectories(Path.Join(Directory, "tmp")))
        {
            if (Path.GetFileName(directory) == Instance)
            {
                continue;
            }

            try
            {
                if (FileLock.TryTake(Path.Join(directory, LockName)) is { } dead)
                {
                    RemoveInstance(dead);
                }
            }
            catch (Exception exception) when (StoreFaults.IsFault(exception))
            {
                // Somebody else is cleaning it, or it belongs to another user.
            }
        }
    }

    private static void RemoveInstance(FileLock held)
    {
        var directory = Path.GetDirectoryName(held.Path)!;
        try
        {
            foreach (var file in System.IO.Directory.EnumerateFiles(directory).Where(file => file != held.Path))
            {
                PosixFiles.Unlink(file);
            }
        }
        catch (Exception exception) when (StoreFaults.IsFault(exception))
        {
            // The next opener tries again.
        }

        // The lock file goes last and under its lock: without it the directory is nobody's.
        PosixFiles.Unlink(held.Path);
        PosixFiles.RemoveDirectory(directory);
        held.Dispose();
    }
}
