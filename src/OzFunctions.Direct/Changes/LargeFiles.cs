using System.IO.Enumeration;
using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Changes;

/// <summary>A file of a work tree by its path below it.</summary>
internal sealed record LargeFile(string Name, long Bytes);

/// <summary>Finds files that are too large to be read into a patch; links are not followed, and what git keeps for itself is not looked at.</summary>
internal static class LargeFiles
{
    private const int Most = 1_000;

    private static readonly EnumerationOptions AsItIs = new() { AttributesToSkip = 0, IgnoreInaccessible = true, RecurseSubdirectories = true };

    /// <summary>In ordinal order, at most 1,000.</summary>
    public static IReadOnlyList<LargeFile> Find(string root, long moreThan)
    {
        var found = new FileSystemEnumerable<string>(root, (ref FileSystemEntry entry) => entry.ToFullPath(), AsItIs)
        {
            ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory && entry.Length > moreThan,
            ShouldRecursePredicate = (ref FileSystemEntry entry) => !entry.FileName.SequenceEqual(".git") && (entry.Attributes & FileAttributes.ReparsePoint) == 0,
        };
        return [.. found.Select(path => (path, Libc.FindFacts(path)))
            .Where(file => file.Item2 is { IsRegular: true } facts && facts.Length > moreThan)
            .Take(Most)
            .Select(file => new LargeFile(Path.GetRelativePath(root, file.path), file.Item2!.Value.Length))
            .OrderBy(file => file.Name, StringComparer.Ordinal)];
    }
}
