using OzFunctions.Direct.Posix;

namespace OzFunctions.Direct.Accounts;

/// <summary>Tells beforehand whether an account can get at a path; where the file system knows more than modes, the run will say it.</summary>
public static class AccountAccess
{
    private const int Execute = 1;

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

    private static bool Allows(Account account, FileFacts facts, int right)
    {
        var shift = facts.Owner == (uint)account.Uid ? 6 : account.Groups.Contains((int)facts.Group) ? 3 : 0;
        return ((facts.Mode >> shift) & right) != 0;
    }
}
