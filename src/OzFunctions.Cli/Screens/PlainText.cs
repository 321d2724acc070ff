using System.Globalization;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Screens;

/// <summary>Numbers, times and states as people read them.</summary>
internal static class PlainText
{
    public static string Bytes(long bytes) => bytes switch
    {
        < 1024 => string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
        < 1024 * 1024 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:0.#} KiB"),
        < 1024L * 1024 * 1024 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0 / 1024:0.#} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0 / 1024 / 1024:0.##} GiB"),
    };

    /// <summary><c>0.2 s</c>, <c>47 s</c>, <c>3 min 5 s</c>, <c>2 h 10 min</c>, <c>4 d 3 h</c>.</summary>
    public static string Duration(TimeSpan duration) => duration.TotalSeconds switch
    {
        < 10 => string.Create(CultureInfo.InvariantCulture, $"{Math.Max(duration.TotalSeconds, 0):0.0} s"),
        < 60 => string.Create(CultureInfo.InvariantCulture, $"{duration.TotalSeconds:0} s"),
        < 3600 => string.Create(CultureInfo.InvariantCulture, $"{duration.Minutes} min {duration.Seconds} s"),
        < 86400 => string.Create(CultureInfo.InvariantCulture, $"{duration.Hours} h {duration.Minutes} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{duration.Days} d {duration.Hours} h"),
    };

    /// <summary><c>now</c>, <c>12s ago</c>, <c>5m ago</c>, <c>3h ago</c>, <c>2d ago</c>, or <c>in 5m</c>.</summary>
    public static string Relative(DateTimeOffset time, DateTimeOffset now)
    {
        var age = now - time;
        var text = Math.Abs(age.TotalSeconds) switch
        {
            < 1 => "now",
            < 90 => $"{Math.Abs((int)age.TotalSeconds)}s",
            < 5400 => $"{Math.Abs((int)age.TotalMinutes)}m",
            < 129_600 => $"{Math.Abs((int)age.TotalHours)}h",
            _ => $"{Math.Abs((int)age.TotalDays)}d",
        };
        return text == "now" ? text : age < TimeSpan.Zero ? "in " + text : text + " ago";
    }

    public static string Time(DateTimeOffset time, DateTimeOffset now) =>
        $"{time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)} ({Relative(time, now)})";

    public static string Count(long count, string noun) => string.Create(CultureInfo.InvariantCulture, $"{count:N0} {noun}{(count == 1 ? "" : "s")}");

    /// <summary>What somebody else wrote may hold bytes that a terminal obeys; shown, never sent.</summary>
    public static string OneLine(string text) => string.Concat(text.Select(character => char.IsControl(character) ? (character is '\t' or '\n' or '\r' ? ' ' : '\uFFFD') : character));

    public static Style Style(RunState state) => state switch
    {
        RunState.Succeeded => Screens.Style.Good,
        RunState.Failed or RunState.Error => Screens.Style.Bad,
        RunState.Cancelled or RunState.Blocked => Screens.Style.Warning,
        RunState.InProgress or RunState.Claimed => Screens.Style.Accent,
        _ => Screens.Style.Plain,
    };
}
