namespace OzFunctions.Schedules;

/// <summary>What clocks on the wall show in a zone, and when they show it. Asks the zone only for offsets at a moment, which hold for every kind of change.</summary>
internal sealed class WallClock(TimeZoneInfo zone)
{
    /// <summary>Offsets lie within 14 hours of UTC; changes are further apart than two days.</summary>
    private static readonly TimeSpan Around = TimeSpan.FromHours(26);

    private static readonly int[] Probes = [-15, 0, 12, 24, 39];

    public DateTime ToWall(DateTimeOffset moment) => moment.UtcDateTime + OffsetAt(moment.UtcDateTime);

    /// <summary>Whether clocks run evenly all that day, and a little around it.</summary>
    public bool IsPlain(DateOnly day, out TimeSpan offset)
    {
        var midnight = day.ToDateTime(TimeOnly.MinValue);
        offset = OffsetAt(midnight.AddHours(Probes[0]));
        foreach (var hours in Probes)
        {
            if (OffsetAt(midnight.AddHours(hours)) != offset)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>When the clocks show <paramref name="wall"/>: once; twice, if <paramref name="elapsed"/>; or, unless that, at the first moment after the gap that it falls into.</summary>
    public (DateTimeOffset? First, DateTimeOffset? Second) Find(DateTime wall, bool elapsed)
    {
        var (before, after) = (OffsetAt(wall - Around), OffsetAt(wall + Around));
        var (early, late) = (At(wall, before), At(wall, after));
        if (early is not null && late is not null)
        {
            return before == after ? (early, null) : elapsed ? (early, late) : (early < late ? early : late, null);
        }

        return (early ?? late ?? (elapsed ? null : ChangeBetween(wall - Around, wall + Around, after)), null);
    }

    private DateTimeOffset? At(DateTime wall, TimeSpan offset) => OffsetAt(wall - offset) == offset ? new DateTimeOffset(wall - offset, TimeSpan.Zero) : null;

    private DateTimeOffset ChangeBetween(DateTime before, DateTime after, TimeSpan offset)
    {
        while (after - before > TimeSpan.FromSeconds(1))
        {
            var middle = before + TimeSpan.FromSeconds(Math.Floor((after - before).TotalSeconds / 2));
            (before, after) = OffsetAt(middle) == offset ? (before, middle) : (middle, after);
        }

        return new(after, TimeSpan.Zero);
    }

    private TimeSpan OffsetAt(DateTime utc) => zone.GetUtcOffset(new DateTimeOffset(DateTime.SpecifyKind(utc, DateTimeKind.Unspecified), TimeSpan.Zero));
}
