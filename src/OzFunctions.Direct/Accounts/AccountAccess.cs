using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Accounts;

/// <summary>Tells beforehand whether an account can get at a path, and who could replace what lies there; where the file system knows more than modes, the run will say it.</summary>
public static class AccountAccess
{
    private const int Execute = 1;
    private const uint WrittenByOthers = 0x12;
    private const uint Sticky = 0x200;
    private const int MostLinks = 40;

    /// <summary>Null when the account can enter every directory on the way and enter or execute the path itself; else what stands in its way.</summary>
    public static string? FindObstacle(Account account, string path)
    {
        var real = Libc.FindRealPath(path) ?? Path.GetFullPath(path);
        var steps = new Stack<string>();
        for (var step = real; step is not null; step = Path.GetDirectoryName(step))
        {
            steps.Push(step);
        }

        return steps.FirstOrDefault(step => Libc.FindFacts(step) is { } facts && !Allows(account, facts, Execute)) is { } obstacle
            ? $"{account.Name} cannot {(obstacle == real && !Directory.Exists(real) ? "execute" : "enter")} {obstacle}"
            : null;
    }

    /// <summary>
    /// Null when only root and this process' user can make, replace or remove what lies in a directory, and what is on the way to it; else who can more, and where.
    /// What is not there is passed over.
    /// </summary>
    public static string? FindIntruder(string path)
    {
        if (Judge("/") is { } top)
        {
            return top;
        }

        var (at, links) = ("/", 0);
        var rest = new Stack<string>();
        Push(rest, Path.GetFullPath(path));
        while (rest.TryPop(out var name))
        {
            var next = Path.GetFullPath(Path.Combine(at, name));
            if (Libc.FindFacts(next) is not { } facts)
            {
                return null;
            }

            if (Judge(next, facts) is { } intruder)
            {
                return intruder;
            }

            if (!facts.IsLink)
            {
                at = next;
                continue;
            }

            // Both count: where the link lies, for it can be turned, and where it leads.
            var target = new FileInfo(next).LinkTarget ?? "";
            if (++links > MostLinks)
            {
                return $"{path} leads through too many links";
            }

            at = Path.IsPathRooted(target) ? "/" : at;
            Push(rest, target);
        }

        // Above, the sticky bit keeps others from what is not theirs. In here they could still be first to make it.
        return Libc.FindFacts(at) is { } last && (last.Mode & WrittenByOthers) != 0 ? Written(at, last) : null;
    }

    private static void Push(Stack<string> rest, string path)
    {
        foreach (var name in path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
        {
            rest.Push(name);
        }
    }

    private static string? Judge(string directory) => Libc.FindFacts(directory) is { } facts ? Judge(directory, facts) : null;

    private static string? Judge(string path, FileFacts facts) =>
        facts.Owner != 0 && !Libc.IsOwn(facts) ? $"{path} belongs to user {facts.Owner}"
        : !facts.IsLink && (facts.Mode & WrittenByOthers) != 0 && (facts.Mode & Sticky) == 0 ? Written(path, facts)
        : null;

    private static string Written(string path, FileFacts facts) => $"{path} can be written by others (mode {Convert.ToString(facts.Mode & 0xFFF, 8).PadLeft(4, '0')})";

    private static bool Allows(Account account, FileFacts facts, int right)
    {
        var shift = facts.Owner == (uint)account.Uid ? 6 : account.Groups.Contains((int)facts.Group) ? 3 : 0;
        return ((facts.Mode >> shift) & right) != 0;
    }
}
