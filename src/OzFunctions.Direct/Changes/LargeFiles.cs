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
        using var walk = new Walk(root, moreThan);
        return [.. Paths(walk).Select(path => (path, Libc.FindFacts(path)))
            .Where(file => file.Item2 is { IsRegular: true } facts && facts.Length > moreThan)
            .Take(Most)
            .Select(file => new LargeFile(Path.GetRelativePath(root, file.path), file.Item2!.Value.Length))
            .OrderBy(file => file.Name, StringComparer.Ordinal)];
    }

    private static IEnumerable<string> Paths(Walk walk)
    {
        while (walk.MoveNext())
        {
            yield return walk.Current;
        }
    }

    private sealed class Walk(string root, long moreThan) : FileSystemEnumerator<string>(root, AsItIs)
    {
        protected override bool ShouldIncludeEntry(ref FileSystemEntry entry) => !entry.IsDirectory && entry.Length > moreThan;

        protected override bool ShouldRecurseIntoEntry(ref FileSystemEntry entry) => !entry.FileName.SequenceEqual(".git") && (entry.Attributes & FileAttributes.ReparsePoint) == 0;

        protected override string TransformEntry(ref FileSystemEntry entry) => entry.ToFullPath();

        /// <summary>A directory that cannot be read, as one whose path is longer than the kernel takes, is to git as if it were empty.</summary>
        protected override bool ContinueOnError(int error) => true;
    }
}
