using System.Globalization;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Posix;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;

namespace OzFunctions.Direct.Leftovers;

/// <summary>What lives of attempts below a workspace root and is not as it should be, for people; changes nothing and holds nobody up.</summary>
internal static class AttemptsAtRest
{
    /// <summary>How many attempts a host attends to, and a sentence for each that none does or whose supervisor is not named by its status file.</summary>
    public static (int Attended, IReadOnlyList<string> Sentences) Look(DirectOptions options)
    {
        // As supervisors were told it, without links.
        var home = Path.Combine(Workspace.FindRoot(options), ".ozf");
        var attended = 0;
        var sentences = new List<string>();
        try
        {
            foreach (var directory in AttemptDirectories.Find(home).Order(StringComparer.Ordinal))
            {
                if (Libc.FindFacts(directory) is not { IsDirectory: true } facts || !Libc.IsOwn(facts))
                {
                    continue;
                }

                var isAttended = IsAttended(directory);
                attended += isAttended ? 1 : 0;
                if (Describe(directory, isAttended) is { } sentence)
                {
                    sentences.Add(sentence);
                }
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            sentences.Add($"{home} cannot be looked at: {exception.Message}");
        }

        return (attended, sentences);
    }

    private static string? Describe(string directory, bool isAttended)
    {
        var written = ShimStatusFile.Find(directory);
        if (ShimHolder.Find(directory) is { } living)
        {
            var isNamed = written is not null && written.Pid == living.Pid && written.StartTicks == living.StartTicks;
            return (isNamed, isAttended) switch
            {
                (true, true) => null,
                (true, false) => $"{directory}: its supervisor (pid {Number(living.Pid)}) works without a host; one of its worker that is started goes on with the run",
                (false, true) => $"{directory}: its status file is gone or another's, the run did that; its supervisor is pid {Number(living.Pid)}",
                _ => $"{directory}: its supervisor (pid {Number(living.Pid)}) works without a host, and its status file is gone or another's; one of its worker that is started goes on with the run",
            };
        }

        if (isAttended || (written ?? ShimHolder.FindOrphans(directory)) is not { } dead)
        {
            return null;
        }

        var left = new ShimSweep(directory, dead, TimeProvider.System).Look();
        return left.Count == 0 ? null
            : $"{directory}: its supervisor is dead and its processes {string.Join(", ", left.Select(Number))} live; a host that is started ends them, and where it cannot (they wait for a device, or became another account's) tries again every hour";
    }

    private static bool IsAttended(string directory)
    {
        try
        {
            return FileLock.IsHeld(new AttemptPlaces(directory).Lock);
        }
        catch (IOException)
        {
            // A run took the rights to it, or put something else there.
            return false;
        }
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
