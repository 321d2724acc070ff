using System.Globalization;

namespace OzFunctions.Direct.Shims;

/// <summary>What <c>/proc/&lt;pid&gt;/stat</c> says of a process (proc_pid_stat(5)).</summary>
/// <param name="State">A letter, <c>Z</c> for one that is over and not waited for.</param>
/// <param name="Session">The pid of its session's leader.</param>
/// <param name="StartTicks">When it was started; with the pid its identity within one boot.</param>
internal readonly record struct ProcessStat(char State, int Session, long StartTicks)
{
    private const int Fields = 20;

    public bool IsOver => State is 'Z' or 'X';

    /// <summary>Null: there is none, or it is a stranger's.</summary>
    public static ProcessStat? Find(int pid)
    {
        string stat;
        try
        {
            stat = File.ReadAllText($"/proc/{pid}/stat");
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        // The name before stands in brackets and may hold anything, brackets and blanks too.
        var fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length < Fields ? null : new(fields[0][0], int.Parse(fields[3], CultureInfo.InvariantCulture), long.Parse(fields[19], CultureInfo.InvariantCulture));
    }
}
