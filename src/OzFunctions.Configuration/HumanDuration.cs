using System.Globalization;
using System.Text.RegularExpressions;

namespace OzFunctions.Configuration;

/// <summary>
/// Durations as the vendor's agent reads them (humantime, facts B1.11 and A2.15): long and short units in any order, blanks where one likes, as in
/// <c>10min</c>, <c>1h 30m</c>, <c>2 hours</c>, <c>0</c>. At most ten years. Keys and fields of ours take the one short form only.
/// </summary>
internal static partial class HumanDuration
{
    /// <summary>The rule in words, for messages.</summary>
    public const string Rule = "a duration such as 10m, 1h 30m or 2 hours";

    private static readonly TimeSpan Longest = TimeSpan.FromDays(3650);

    private static readonly Dictionary<string, decimal> Seconds = new (string Names, decimal Seconds)[]
    {
        ("ns nsec nanos", 0.000_000_001m), ("us usec µs micros", 0.000_001m), ("ms msec millis", 0.001m), ("s sec secs second seconds", 1), ("m min mins minute minutes", 60),
        ("h hr hrs hour hours", 3_600), ("d day days", 86_400), ("w wk wks week weeks", 604_800), ("M month months", 2_630_016), ("y yr yrs year years", 31_557_600),
    }.SelectMany(unit => unit.Names.Split(' ').Select(name => (name, unit.Seconds))).ToDictionary(StringComparer.Ordinal);

    public static bool TryParse(string? text, out TimeSpan duration)
    {
        duration = default;
        if (text is null || !Pattern().IsMatch(text))
        {
            return text == "0";
        }

        var total = 0m;
        foreach (Match part in Part().Matches(text))
        {
            if (!Seconds.TryGetValue(part.Groups["unit"].Value, out var unit))
            {
                return false;
            }

            total += unit * decimal.Parse(part.Groups["number"].Value, NumberStyles.None, CultureInfo.InvariantCulture);
        }

        if (total > (decimal)Longest.TotalSeconds)
        {
            return false;
        }

        duration = TimeSpan.FromTicks((long)(total * TimeSpan.TicksPerSecond));
        return true;
    }

    [GeneratedRegex(@"\A\s*([0-9]{1,18}\s*[a-zA-Zµ]+\s*){1,16}\z")]
    private static partial Regex Pattern();

    [GeneratedRegex(@"(?<number>[0-9]+)\s*(?<unit>[a-zA-Zµ]+)")]
    private static partial Regex Part();
}
