using System.Diagnostics.CodeAnalysis;

namespace OzFunctions.Schedules;

/// <summary>
/// Five-field cron in a time zone. A day matches by day of month <em>or</em> day of week when neither field begins with <c>*</c>, else by both.
/// </summary>
/// <remarks>
/// When the clocks change: a time that does not exist counts at the first moment after the gap; a time that comes twice counts once, the first time.
/// Only an expression whose hour field allows every hour follows elapsed time: it goes on through the doubled hour and leaves the missing one out.
/// </remarks>
public sealed class CronExpression
{
    /// <summary>What an expression looks like, for messages.</summary>
    public const string Rule = "must be five fields (minute, hour, day of month, month, day of week) such as '0 6 * * 1-5', or @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually";

    /// <summary>29 February on a given weekday comes back after 40 years at most.</summary>
    private const int MostDays = 41 * 366;

    private const int MostLength = 256;

    private static readonly Dictionary<string, string> Nicknames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["@hourly"] = "0 * * * *",
        ["@daily"] = "0 0 * * *",
        ["@midnight"] = "0 0 * * *",
        ["@weekly"] = "0 0 * * 0",
        ["@monthly"] = "0 0 1 * *",
        ["@yearly"] = "0 0 1 1 *",
        ["@annually"] = "0 0 1 1 *",
    };

    private readonly ulong _minutes;
    private readonly ulong _hours;
    private readonly ulong _days;
    private readonly ulong _months;
    private readonly ulong _weekdays;
    private readonly bool _eitherDay;

    private CronExpression(string text, ulong minutes, ulong hours, ulong days, ulong months, ulong weekdays, bool eitherDay)
    {
        Text = text;
        (_minutes, _hours, _days, _months, _weekdays, _eitherDay) = (minutes, hours, days, months, weekdays, eitherDay);
    }

    /// <summary>As it was written.</summary>
    public string Text { get; }

    /// <summary>Follows elapsed time when the clocks change.</summary>
    private bool IsEveryHour => CronField.Hour.HasAll(_hours);

    public override string ToString() => Text;

    /// <summary>Reads an expression; <paramref name="fault"/> names the field, the value and the rule.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out CronExpression? cron, out string fault)
    {
        cron = null;
        if (text.Length > MostLength)
        {
            fault = Rule;
            return false;
        }

        var fields = text.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length == 1 && fields[0].StartsWith('@'))
        {
            if (!Nicknames.TryGetValue(fields[0], out var meant))
            {
                fault = Rule;
                return false;
            }

            fields = meant.Split(' ');
        }

        if (fields.Length != 5)
        {
            fault = Rule + (fields.Length == 6 ? "; there are six: a field of seconds or years is not known here" : "");
            return false;
        }

        if (CronField.Minute.Parse(fields[0], out fault) is not { } minutes
            || CronField.Hour.Parse(fields[1], out fault) is not { } hours
            || CronField.Day.Parse(fields[2], out fault) is not { } days
            || CronField.Month.Parse(fields[3], out fault) is not { } months
            || CronField.Weekday.Parse(fields[4], out fault) is not { } weekdays)
        {
            return false;
        }

        var either = !fields[2].StartsWith('*') && !fields[4].StartsWith('*');
        if (!either && !Exists(days, months))
        {
            fault = $"never comes: there is no day {fields[2]} in month {fields[3]}";
            return false;
        }

        cron = new(text, minutes, hours, days, months, weekdays, either);
        return true;
    }

    /// <summary>The first time after <paramref name="after"/>; null when there is none within 41 years.</summary>
    public DateTimeOffset? FindNext(DateTimeOffset after, TimeZoneInfo zone)
    {
        var clock = new WallClock(zone);

        // A time that a gap moves may belong to the day before the one it is moved to.
        var day = DateOnly.FromDateTime(clock.ToWall(after)).AddDays(-1);
        for (var n = 0; n < MostDays && day < DateOnly.MaxValue.AddDays(-3); n++, day = day.AddDays(1))
        {
            if (FindOnDay(day, after, clock) is { } found)
            {
                // Where clocks go back over midnight, the next day begins before this one's second half hour comes.
                var other = clock.IsPlain(day, out _) ? null : FindOnDay(day.AddDays(1), after, clock);
                return other < found ? other : found;
            }
        }

        return null;
    }

    /// <summary>The times after <paramref name="after"/>, up to and with <paramref name="until"/>.</summary>
    public IEnumerable<DateTimeOffset> Between(DateTimeOffset after, DateTimeOffset until, TimeZoneInfo zone)
    {
        for (var next = FindNext(after, zone); next <= until; next = FindNext(next.Value, zone))
        {
            yield return next.Value;
        }
    }

    private DateTimeOffset? FindOnDay(DateOnly day, DateTimeOffset after, WallClock clock)
    {
        if (!Matches(day))
        {
            return null;
        }

        return clock.IsPlain(day, out var offset) ? FindOnPlainDay(day, after, offset) : FindOnOddDay(day, after, clock);
    }

    private DateTimeOffset? FindOnPlainDay(DateOnly day, DateTimeOffset after, TimeSpan offset)
    {
        var midnight = new DateTimeOffset(day.ToDateTime(TimeOnly.MinValue), offset);
        var from = (int)Math.Clamp(Math.Floor((after - midnight).TotalMinutes) + 1, 0, 24 * 60);
        if (from == 24 * 60)
        {
            return null;
        }

        if (CronField.Next(_hours, from / 60) == from / 60 && CronField.Next(_minutes, from % 60) is { } minute)
        {
            return midnight.AddMinutes((from / 60 * 60) + minute).ToUniversalTime();
        }

        return CronField.Next(_hours, (from / 60) + 1) is { } hour ? midnight.AddMinutes((hour * 60) + CronField.Next(_minutes, 0)!.Value).ToUniversalTime() : null;
    }

    /// <summary>A day near a change of clocks: every time of it, one by one.</summary>
    private DateTimeOffset? FindOnOddDay(DateOnly day, DateTimeOffset after, WallClock clock)
    {
        DateTimeOffset? least = null;
        for (var hour = CronField.Next(_hours, 0); hour is not null; hour = CronField.Next(_hours, hour.Value + 1))
        {
            for (var minute = CronField.Next(_minutes, 0); minute is not null; minute = CronField.Next(_minutes, minute.Value + 1))
            {
                var (first, second) = clock.Find(day.ToDateTime(new(hour.Value, minute.Value)), IsEveryHour);
                foreach (var moment in (DateTimeOffset?[])[first, second])
                {
                    if (moment > after && !(moment >= least))
                    {
                        least = moment;
                    }
                }
            }
        }

        return least;
    }

    private bool Matches(DateOnly day)
    {
        if ((_months >> day.Month & 1) == 0)
        {
            return false;
        }

        var (byDay, byWeekday) = ((_days >> day.Day & 1) == 1, (_weekdays >> (int)day.DayOfWeek & 1) == 1);
        return _eitherDay ? byDay || byWeekday : byDay && byWeekday;
    }

    private static bool Exists(ulong days, ulong months)
    {
        for (var month = 1; month <= 12; month++)
        {
            // 2024 has a 29 February.
            if ((months >> month & 1) == 1 && CronField.Next(days, 1) <= DateTime.DaysInMonth(2024, month))
            {
                return true;
            }
        }

        return false;
    }
}
