using System.IO.Enumeration;
using OzFunctions.Blobs;
using OzFunctions.Local;

namespace OzFunctions.Files;

/// <summary>Listing: a walk in ordinal order of full names that enters only directories which can hold an answer, and stops when the page is full.</summary>
public sealed partial class FilesBlobStore
{
    private static readonly TimeSpan PruneAfter = TimeSpan.FromMinutes(1);
    private static readonly EnumerationOptions Everything = new() { AttributesToSkip = 0, ReturnSpecialDirectories = false, IgnoreInaccessible = false };

    public Task<BlobPage> ListAsync(string prefix, string? continuation, int most, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            return Task.FromResult(Guarded(_store.BlobDirectory, _ => List(prefix, continuation, most, cancellationToken)));
        }
        catch (OperationCanceledException)
        {
            return Task.FromCanceled<BlobPage>(cancellationToken);
        }
        catch (BlobStoreException exception)
        {
            return Task.FromException<BlobPage>(exception);
        }
    }

    private BlobPage List(string prefix, string? continuation, int most, CancellationToken cancellationToken)
    {
        var entries = new List<BlobEntry>(Math.Min(most, 1000));
        foreach (var (name, relative) in Walk(prefix, continuation))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (entries.Count == most)
            {
                return new BlobPage(entries, entries[^1].Name);
            }

            // Gone since its directory was read: as if it had never been listed.
            var path = Path.Join(_store.BlobDirectory, relative);
            if (FindFacts(path) is { } facts && Describe(name, relative, path, facts) is { } entry)
            {
                entries.Add(entry);
            }
        }

        return new BlobPage(entries, null);
    }

    private IEnumerable<Node> Walk(string prefix, string? after)
    {
        var start = prefix[..(prefix.LastIndexOf('/') + 1)];
        if (start.Length > 0)
        {
            string relative;
            try
            {
                relative = FileNames.PathOf(start[..^1]);
            }
            catch (ArgumentException)
            {
                // No blob can have such a name.
                return [];
            }

            return Walk(new Node(start, relative), prefix, after);
        }

        return Walk(new Node("", ""), prefix, after);
    }

    private IEnumerable<Node> Walk(Node directory, string prefix, string? after)
    {
        var nodes = new List<Node>();
        if (!ReadDirectory(directory, nodes))
        {
            PruneEmpty(directory.Relative);
        }

        nodes.RemoveAll(node => !CanHold(node.Name, prefix, after));

        // A directory stands where its first name would: 'a.json' < 'a/…' < 'a0'.
        nodes.Sort((left, right) => string.CompareOrdinal(left.Name, right.Name));
        foreach (var node in nodes)
        {
            if (!node.IsDirectory)
            {
                yield return node;
                continue;
            }

            foreach (var below in Walk(node, prefix, after))
            {
                yield return below;
            }
        }
    }

    private static bool CanHold(string name, string prefix, string? after)
    {
        if (name[^1] != '/')
        {
            return name.StartsWith(prefix, StringComparison.Ordinal) && string.CompareOrdinal(name, after) > 0;
        }

        return (name.StartsWith(prefix, StringComparison.Ordinal) || prefix.StartsWith(name, StringComparison.Ordinal))
            && (after is null || string.CompareOrdinal(name, after) > 0 || after.StartsWith(name, StringComparison.Ordinal));
    }

    /// <summary>Adds what lies in a directory, the parts of long names joined; false when there is nothing.</summary>
    private bool ReadDirectory(Node directory, List<Node> nodes)
    {
        var path = Path.Join(_store.BlobDirectory, directory.Relative);
        if (FileFacts.Find(path, out var facts) is { Ok: false } || !facts.IsDirectory)
        {
            return true;
        }

        var count = 0;
        try
        {
            foreach (var (entry, isDirectory) in new FileSystemEnumerable<(string, bool)>(path, (ref FileSystemEntry entry) => (entry.FileName.ToString(), entry.IsDirectory), Everything))
            {
                count++;
                if (FileNames.Decode(entry) is not { } text)
                {
                    continue;
                }

                var relative = directory.Relative.Length == 0 ? entry : $"{directory.Relative}/{entry}";
                if (isDirectory && FileNames.IsContinued(entry))
                {
                    ReadDirectory(new Node(directory.Name + text, relative), nodes);
                }
                else
                {
                    nodes.Add(new Node(isDirectory ? $"{directory.Name}{text}/" : directory.Name + text, relative));
                }
            }
        }
        catch (DirectoryNotFoundException)
        {
            // Pruned meanwhile.
        }

        return count > 0;
    }

    /// <summary>An empty directory on the second level or below goes when it has been so for a while; a creator makes it again.</summary>
    private void PruneEmpty(string relative)
    {
        var path = Path.Join(_store.BlobDirectory, relative);
        if (relative.Contains('/') && FileFacts.Find(path, out var facts).Ok && _store.AgeOf(facts) > PruneAfter)
        {
            PosixFiles.RemoveDirectory(Path.Join(_store.MetadataDirectory, relative));
            PosixFiles.RemoveDirectory(path);
        }
    }

    /// <summary>A file, or a directory whose name ends in a slash; with its path relative to the blobs.</summary>
    private readonly record struct Node(string Name, string Relative)
    {
        public bool IsDirectory => Name.Length == 0 || Name[^1] == '/';
    }
}
