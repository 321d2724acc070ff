using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Artifacts;

/// <summary>Lists what lies below a directory by paths relative to it, in ordinal order; links are named and never followed.</summary>
internal static class FileTree
{
    private const int MostEntries = 1_000_000;

    private static readonly EnumerationOptions AsItIs = new() { AttributesToSkip = 0, IgnoreInaccessible = true, ReturnSpecialDirectories = false };

    /// <summary>A directory that cannot be looked into, by its name or by the length of its path, is listed itself.</summary>
    /// <param name="root">A directory; when absent there is nothing below it.</param>
    /// <param name="enter">Whether a directory with this relative path is looked into.</param>
    public static IReadOnlyList<string> List(string root, Func<string, bool> enter)
    {
        var found = new List<string>();
        if (Libc.FindFacts(root) is not { IsDirectory: true })
        {
            return found;
        }

        var waiting = new Stack<string>([""]);
        while (waiting.TryPop(out var relative))
        {
            try
            {
                foreach (var entry in new DirectoryInfo(Path.Combine(root, relative)).EnumerateFileSystemInfos("*", AsItIs))
                {
                    var name = relative.Length == 0 ? entry.Name : $"{relative}/{entry.Name}";
                    if (entry is not DirectoryInfo || entry.LinkTarget is not null)
                    {
                        Add(name);
                    }
                    else if (enter(name))
                    {
                        waiting.Push(name);
                    }
                }
            }
            catch (IOException) when (relative.Length > 0)
            {
                Add(relative);
            }
        }

        found.Sort(StringComparer.Ordinal);
        return found;

        void Add(string name)
        {
            if (found.Count < MostEntries)
            {
                found.Add(name);
            }
        }
    }
}
