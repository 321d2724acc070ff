using System.Globalization;
using System.Text;

namespace OzFunctions.Testing;

/// <summary>The machine's processes as <c>/proc</c> shows them, to find what a test left behind.</summary>
public static class ProcessTable
{
    /// <summary>One process; environment and arguments are empty where this user may not read them.</summary>
    public sealed record Entry(int Id, int ParentId, char State, string CommandLine, IReadOnlyList<string> Environment)
    {
        /// <summary>Over, and perhaps not waited for.</summary>
        public bool IsZombie => State is 'Z' or 'X';

        public override string ToString() => $"{Id} (parent {ParentId}, {State}): {CommandLine}";
    }

    public static IReadOnlyList<Entry> All()
    {
        var entries = new List<Entry>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && Find(id) is { } entry)
            {
                entries.Add(entry);
            }
        }

        return entries;
    }

    /// <summary>Null when it is gone.</summary>
    public static Entry? Find(int id)
    {
        // The name in brackets may hold anything; the fields after the last bracket do not.
        if (Read(id, "stat") is not { Length: > 0 } stat || stat.LastIndexOf(')') is not (>= 0 and var end))
        {
            return null;
        }

        var fields = stat[(end + 2)..].Split(' ');
        var arguments = (Read(id, "cmdline") ?? "").TrimEnd('\0').Replace('\0', ' ');
        var environment = (Read(id, "environ") ?? "").Split('\0', StringSplitOptions.RemoveEmptyEntries);
        return new(id, int.Parse(fields[1], CultureInfo.InvariantCulture), fields[0][0], arguments, environment);
    }

    /// <summary>Living processes whose arguments or environment hold the text; this one is never among them.</summary>
    public static IReadOnlyList<Entry> WithTag(string tag) =>
        [.. All().Where(entry => entry.Id != Environment.ProcessId && !entry.IsZombie
            && (entry.CommandLine.Contains(tag, StringComparison.Ordinal) || entry.Environment.Any(variable => variable.Contains(tag, StringComparison.Ordinal))))];

    public static bool IsAlive(int id) => Find(id) is { IsZombie: false };

    /// <summary>
    /// Waits until no living process carries the text, at most a minute; fails with the list of those that do. Their end has no signal to wait
    /// for: they are nobody's children here.
    /// </summary>
    public static async Task AssertNoneAsync(string tag, CancellationToken cancellationToken)
    {
        var started = TimeProvider.System.GetTimestamp();
        IReadOnlyList<Entry> left;
        while ((left = WithTag(tag)).Count > 0 && TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(1))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, cancellationToken);
        }

        Assert.True(left.Count == 0, $"Still running:\n{string.Join('\n', left)}");
    }

    private static string? Read(int id, string file)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{id.ToString(CultureInfo.InvariantCulture)}/{file}"));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
