using System.Globalization;
using System.Text.Json;

namespace OzFunctions.Bench;

/// <summary>Lines of an agent that say when they were written.</summary>
internal static class LineStamps
{
    private const string Mark = "at ";

    /// <summary>Prints a line every 30 ms. bash has the clock built in: no second program stands between clock and line.</summary>
    public static string Agent(BenchPlace place, int lines) => place.Script("slow", $"for i in $(seq {lines}); do echo \"{Mark}$EPOCHREALTIME\"; sleep 0.03; done", "/bin/bash");

    /// <summary>Milliseconds from when the agent wrote a line to <paramref name="now"/>; null: it is none of the agent's.</summary>
    public static double? FindDelay(string json, DateTimeOffset now)
    {
        using var parsed = JsonDocument.Parse(json);
        return parsed.RootElement.TryGetProperty("m", out var message) && message.GetString() is { } text && text.StartsWith(Mark, StringComparison.Ordinal)
            ? (now - Parse(text[Mark.Length..])).TotalMilliseconds
            : null;
    }

    /// <summary>Bash's <c>EPOCHREALTIME</c>.</summary>
    public static DateTimeOffset Parse(string text) => DateTimeOffset.UnixEpoch + TimeSpan.FromTicks((long)(decimal.Parse(text, CultureInfo.InvariantCulture) * TimeSpan.TicksPerSecond));
}
