using System.Globalization;

namespace OzFunctions.Core.Tests.Schedules;

/// <summary>
/// Cron the slow way, minute by minute, for comparing: it shares no code and no idea with the product. It walks through the moments of UTC, looks at the
/// wall clock, and fires when the fields match.
/// </summary>
internal sealed class CronReference
{
    private readonly HashSet<int>[] _fields;
    private readonly bool _either;
    private readonly bool _everyHour;
    private readonly TimeZoneInfo _zone;
    private readonly Dictionary<long, TimeSpan> _offsets;

    public CronReference(string expression, TimeZoneInfo zone, Dictionary<long, TimeSpan> offsets)
    {
        var fields = expression.Split(' ');
        _fields = [Values(fields[0], 0, 59), Values(fields[1], 0, 23), Values(fields[2], 1, 31), Values(fields[3], 1, 12), Values(fields[4], 0, 7)];
        if (_fields[4].Contains(7))
        {
            _fields[4].Add(0);
        }

        _either = fields[2][0] != '*' && fields[4][0] != '*';
        _everyHour = _fields[1].Count == 24;
        (_zone, _offsets) = (zone, offsets);
    }

    public List<DateTimeOffset> Between(DateTimeOffset from, DateTimeOffset until)
    {
        var found = new List<DateTimeOffset>();

        // Some time ahead, so that the first time of a doubled one is known: what a clock showed once, it shows again only when it was set back.
        var moment = from.AddHours(-30);
        var wall = Wall(moment);
        var furthest = DateTime.MinValue;
        for (; moment <= until; moment = moment.AddMinutes(1))
        {
            if (moment > from && Matches(wall) && (_everyHour || wall > furthest))
            {
                found.Add(moment);
            }

            furthest = wall > furthest ? wall : furthest;
            var next = Wall(moment.AddMinutes(1));
            if (next > wall.AddMinutes(1) && !_everyHour)
            {
                // The clock jumps: whatever it leaves out counts at the first moment after it.
                var left = false;
                for (var missing = wall.AddMinutes(1); missing < next; missing = missing.AddMinutes(1))
                {
                    left |= Matches(missing);
                }

                if (left && moment.AddMinutes(1) > from && moment.AddMinutes(1) <= until && !Matches(next))
                {
                    found.Add(moment.AddMinutes(1));
                }
            }

            wall = next;
        }

        return found;
    }

    /// <summary>Asked once for each minute.</summary>
    private DateTime Wall(DateTimeOffset moment)
    {
        var minute = moment.UtcTicks / TimeSpan.TicksPerMinute;
        if (!_offsets.TryGetValue(minute, out var offset))
        {
            _offsets[minute] = offset = _zone.GetUtcOffset(moment);
        }

        return moment.UtcDateTime + offset;
    }

    private bool Matches(DateTime wall)
    {
        if (!_fields[0].Contains(wall.Minute) || !_fields[1].Contains(wall.Hour) || !_fields[3].Contains(wall.Month))
        {
            return false;
        }

        var (day, weekday) = (_fields[2].Contains(wall.Day), _fields[4].Contains((int)wall.DayOfWeek));
        return _either ? day || weekday : day && weekday;
    }

    private static HashSet<int> Values(string field, int least, int most)
    {
        var values = new HashSet<int>();
        foreach (var item in field.Split(','))
        {
            var (range, step) = item.Split('/') is [var one, var two] ? (one, int.Parse(two, CultureInfo.InvariantCulture)) : (item, 1);
            var (first, last) = range == "*" ? (least, most == 7 ? 6 : most)
                : range.Split('-') is [var begin, var end] ? (Number(begin), Number(end))
                : (Number(range), item.Contains('/', StringComparison.Ordinal) ? most == 7 ? 6 : most : Number(range));
            var value = first;
            for (var n = 0; ; n++)
            {
                if (n % step == 0)
                {
                    values.Add(value);
                }

                if (value == last)
                {
                    break;
                }

                value = value == (most == 7 && last < first ? 6 : most) ? least : value + 1;
            }
        }

        return values;

        static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
    }
}
