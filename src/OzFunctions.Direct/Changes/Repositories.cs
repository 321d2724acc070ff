using System.Text;
using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Changes;

/// <summary>
/// Finds git repositories below a workspace and what they stand on, by reading files: nothing of a repository that a stranger may have made is executed.
/// </summary>
internal static class Repositories
{
    /// <summary>The base of a repository without commits.</summary>
    public const string Empty = "";

    private const int Deepest = 5;
    private const int Most = 50;
    private const int MostDirectories = 50_000;
    private const long MostBytes = 64 << 20;

    private static readonly EnumerationOptions AsItIs = new() { AttributesToSkip = 0, IgnoreInaccessible = true };

    /// <summary>Relative paths, the workspace itself as the empty text, in ordinal order.</summary>
    public static IReadOnlyList<string> Find(string workspace)
    {
        var found = new List<string>();
        var waiting = new Queue<(string Path, int Depth)>([("", 0)]);
        var seen = 0;
        while (waiting.TryDequeue(out var next) && found.Count < Most && ++seen <= MostDirectories)
        {
            var full = Path.Combine(workspace, next.Path);
            if (Libc.FindFacts(Path.Combine(full, ".git")) is { IsLink: false } facts && (facts.IsDirectory || facts.IsRegular))
            {
                found.Add(next.Path);
            }

            if (next.Depth == Deepest || Libc.FindFacts(full) is not { IsDirectory: true })
            {
                continue;
            }

            foreach (var child in new DirectoryInfo(full).EnumerateDirectories("*", AsItIs))
            {
                if (child.Name is not (".git" or "node_modules") && child.LinkTarget is null)
                {
                    waiting.Enqueue((next.Path.Length == 0 ? child.Name : $"{next.Path}/{child.Name}", next.Depth + 1));
                }
            }
        }

        found.Sort(StringComparer.Ordinal);
        return found;
    }

    /// <summary>HEAD of each repository that is there now.</summary>
    public static IReadOnlyDictionary<string, string> ReadHeads(string workspace) =>
        Find(workspace).ToDictionary(path => path, path => FindHead(Path.Combine(workspace, path)) ?? Empty);

    /// <summary>The commit that HEAD names; null without one.</summary>
    public static string? FindHead(string repository)
    {
        if (FindGitDirectory(repository) is not { } git || ReadText(Path.Combine(git, "HEAD"))?.Trim() is not { } head)
        {
            return null;
        }

        if (!head.StartsWith("ref:", StringComparison.Ordinal))
        {
            return AsCommit(head);
        }

        var name = head[4..].Trim();
        if (name.Contains("..", StringComparison.Ordinal) || !name.StartsWith("refs/", StringComparison.Ordinal))
        {
            return null;
        }

        var common = FindCommonDirectory(git);
        return AsCommit(ReadText(Path.Combine(git, name))) ?? AsCommit(ReadText(Path.Combine(common, name))) ?? FindPacked(common, name);
    }

    /// <summary>Where git keeps HEAD and index of a work tree, and where what it shares with other work trees; null when nothing says where.</summary>
    public static (string Git, string Common)? FindDirectories(string repository) =>
        FindGitDirectory(repository) is { } git ? (git, FindCommonDirectory(git)) : null;

    /// <summary>What a repository that appeared under the agent began with: what was cloned or checked out first; nothing if it began with a commit of its own.</summary>
    public static string FindBeginning(string repository)
    {
        if (FindGitDirectory(repository) is not { } git || ReadText(Path.Combine(git, "logs/HEAD")) is not { } log)
        {
            return Empty;
        }

        var line = log.Split('\n', 2)[0];
        var tab = line.IndexOf('\t', StringComparison.Ordinal);
        var words = line.Split(' ', 3);
        return words.Length < 3 || (tab >= 0 && line.AsSpan(tab + 1).StartsWith("commit (initial)")) ? Empty : AsCommit(words[1]) ?? Empty;
    }

    private static string? FindGitDirectory(string repository)
    {
        var path = Path.Combine(repository, ".git");
        if (Libc.FindFacts(path) is { IsDirectory: true })
        {
            return path;
        }

        // A worktree or submodule: one line says where.
        return ReadText(path) is { } text && text.StartsWith("gitdir:", StringComparison.Ordinal) ? Path.GetFullPath(text[7..].Trim(), repository) : null;
    }

    private static string FindCommonDirectory(string git) =>
        ReadText(Path.Combine(git, "commondir"))?.Trim() is { Length: > 0 } other ? Path.GetFullPath(other, git) : git;

    private static string? FindPacked(string git, string name)
    {
        foreach (var line in ReadText(Path.Combine(git, "packed-refs"))?.Split('\n') ?? [])
        {
            var words = line.Split(' ', 2);
            if (words.Length == 2 && words[1].TrimEnd() == name)
            {
                return AsCommit(words[0]);
            }
        }

        return null;
    }

    private static string? AsCommit(string? text) =>
        text?.Trim() is { Length: 40 or 64 } id && id.All(char.IsAsciiHexDigitLower) && id.Any(digit => digit != '0') ? id : null;

    private static string? ReadText(string path)
    {
        using var file = RegularFile.TryOpen(path, root: null, out _, out var length);
        if (file is null || length > MostBytes)
        {
            return null;
        }

        using var reader = new StreamReader(file, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
