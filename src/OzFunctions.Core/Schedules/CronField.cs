using System.Globalization;
using System.Numerics;
using OzFunctions.Requests;

namespace OzFunctions.Schedules;

/// <summary>One of the five fields of a cron expression: which values it may have, and how they are written.</summary>
internal sealed record CronField(string Name, int Least, int Most, string[] Names, int FirstName)
{
    public static readonly CronField Minute = new("minute", 0, 59, [], 0);
    public static readonly CronField Hour = new("hour", 0, 23, [], 0);
    public static readonly CronField Day = new("day of month", 1, 31, [], 0);
    public static readonly CronField Month = new("month", 1, 12, ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1);

    /// <summary>0 to 6; 7 is Sunday too.</summary>
    public static readonly CronField Weekday = new("day of week", 0, 6, ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 0);

    private int Count => Most - Least + 1;

    private bool SundayIsSeven => this == Weekday;

    private ulong Everything => ((1UL << Count) - 1) << Least;

    public bool HasAll(ulong values) => values == Everything;

    /// <summary>Answers one bit a value; null with the fault when the text is none of this field.</summary>
    public ulong? Parse(string text, out string fault)
    {
        fault = "";
        ulong values = 0;
        foreach (var item in text.Split(','))
        {
            if (ParseItem(item, ref fault) is not { } some)
            {
                fault = $"{Name}: '{FaultValue.Shorten(item)}' {fault}";
                return null;
            }

            values |= some;
        }

        return values;
    }

    private ulong? ParseItem(string item, ref string fault)
    {
        var parts = item.Split('/');
        if (item.Length == 0 || parts.Length > 2)
        {
            fault = item.Length == 0 ? "is empty: between commas stands a value, a range or '*'" : "has more than one '/'";
            return null;
        }

        var step = 1;
        if (parts.Length == 2 && (!TryNumber(parts[1], out step) || step < 1 || step > Count))
        {
            fault = $"must have a step from 1 to {Count}, as in */{Math.Min(5, Count)}";
            return null;
        }

        if (parts[0] == "*")
        {
            return Range(Least, Most, step);
        }

        var ends = parts[0].Split('-');
        if (ends.Length > 2)
        {
            fault = "has more than one '-'";
            return null;
        }

        if (ParseValue(ends[0], ref fault) is not { } first)
        {
            return null;
        }

        if (ends.Length == 1)
        {
            // 10/15 means from 10 on to the end, every 15.
            return parts.Length == 1 ? Range(first, first, 1) : Range(first, Math.Max(Most, first), step);
        }

        if (ParseValue(ends[1], ref fault) is not { } last)
        {
            return null;
        }

        // A range whose end lies before its beginning goes on over the top: 22-2 are the hours 22, 23, 0, 1 and 2.
        return Range(first, last < first ? last + Count : last, step);
    }

    private int? ParseValue(string text, ref string fault)
    {
        var named = Array.FindIndex(Names, name => name.Equals(text, StringComparison.OrdinalIgnoreCase));
        if (named >= 0)
        {
            return FirstName + named;
        }

        if (TryNumber(text, out var number) && number >= Least && (number <= Most || (SundayIsSeven && number == 7)))
        {
            return number;
        }

        fault = (text, Names) switch
        {
            ("?" or "L" or "W" or "LW", _) => "is not of five-field cron; write '*' for every value",
            (_, []) => $"must be from {Least} to {Most}",
            _ => $"must be from {Least} to {(SundayIsSeven ? 7 : Most)}, or {Names[0]} to {Names[^1]}",
        };
        if (text.AsSpan().IndexOfAny('#', 'L', 'W') >= 0 && Names.Length == 0)
        {
            fault += "; the signs L, W and # are not of five-field cron";
        }

        return null;
    }

    private ulong Range(int first, int last, int step)
    {
        ulong values = 0;
        for (var value = first; value <= last; value += step)
        {
            values |= 1UL << (Least + ((value - Least) % Count));
        }

        return values;
    }

    private static bool TryNumber(string text, out int number)
    {
        number = 0;
        return text.Length is > 0 and <= 2 && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    /// <summary>The least value that is not below <paramref name="from"/>; null when there is none.</summary>
    public static int? Next(ulong values, int from) => from > 63 || (values >> from) == 0 ? null : from + BitOperations.TrailingZeroCount(values >> from);
}
