using System.Globalization;
using OzFunctions.Schedules;

namespace OzFunctions.Core.Tests.Schedules;

public sealed class CronPropertyTests
{
    /// <summary>Half-hour and whole-day gaps, midnight changes, changes that go back over midnight, and zones without any.</summary>
    public static TheoryData<string, int> ZonesAndYears => new()
    {
        { "UTC", 2024 },
        { "Europe/Berlin", 2026 },
        { "America/New_York", 2027 },
        { "Australia/Lord_Howe", 2025 },
        { "Asia/Beirut", 2024 },
        { "America/Havana", 2026 },
        { "America/St_Johns", 2008 },
        { "America/Sao_Paulo", 2018 },
        { "Pacific/Apia", 2011 },
        { "Africa/Casablanca", 2026 },
        { "Asia/Kathmandu", 2023 },
        { "Antarctica/Troll", 2025 },
    };

    [Theory]
    [MemberData(nameof(ZonesAndYears))]
    public void Every_time_of_a_year_is_that_of_the_minute_by_minute_reference(string zoneId, int year)
    {
        var zone = TimeZoneInfo.FindSystemTimeZoneById(zoneId);
        var (from, until) = (new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(year + 1, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var offsets = new Dictionary<long, TimeSpan>();
        foreach (var expression in Expressions(new Random(year + zoneId.Length)).Take(6))
        {
            Assert.True(CronExpression.TryParse(expression, out var cron, out var fault), $"{expression}: {fault}");

            Same(new CronReference(expression, zone, offsets).Between(from, until), [.. cron.Between(from, until, zone)], $"{expression} in {zoneId}, {year}");
        }
    }

    [Theory]
    [MemberData(nameof(ZonesAndYears))]
    public void Around_a_change_of_clocks_every_expression_is_that_of_the_reference(string zoneId, int year)
    {
        var zone = TimeZoneInfo.FindSystemTimeZoneById(zoneId);
        var random = new Random(year);
        var offsets = new Dictionary<long, TimeSpan>();
        foreach (var change in Changes(zone, year))
        {
            var (from, until) = (change.AddHours(-random.Next(2, 50)), change.AddHours(50));
            foreach (var expression in Expressions(random).Take(20))
            {
                Assert.True(CronExpression.TryParse(expression, out var cron, out _));

                Same(new CronReference(expression, zone, offsets).Between(from, until), [.. cron.Between(from, until, zone)], $"{expression} in {zoneId} around {change:u}");
            }
        }
    }

    [Theory]
    [InlineData("Europe/Berlin")]
    [InlineData("America/New_York")]
    [InlineData("Asia/Beirut")]
    public void An_independent_parser_finds_the_same_times(string zoneId)
    {
        var zone = TimeZoneInfo.FindSystemTimeZoneById(zoneId);
        var random = new Random(7);
        for (var n = 0; n < 300; n++)
        {
            // Fixed times on all weekdays: what follows elapsed time, and how two day fields combine, is another choice there.
            var expression = string.Create(CultureInfo.InvariantCulture, $"{random.Next(60)} {random.Next(24)} {(random.Next(2) == 0 ? "*" : random.Next(1, 29))} {(random.Next(2) == 0 ? "*" : random.Next(1, 13))} *");
            Assert.True(CronExpression.TryParse(expression, out var cron, out _));
            var from = new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMinutes(random.Next(5 * 365 * 1440));

            var other = Cronos.CronExpression.Parse(expression);
            var theirs = other.GetNextOccurrence(from, zone);

            Assert.Equal(theirs?.ToUniversalTime(), cron.FindNext(from, zone));
        }
    }

    private static void Same(List<DateTimeOffset> expected, List<DateTimeOffset> found, string what)
    {
        var differ = expected.Except(found).Select(time => $"missing {time:u}").Concat(found.Except(expected).Select(time => $"too many {time:u}")).Take(5).ToList();
        Assert.True(differ.Count == 0 && expected.Count == found.Count, $"{what}: {string.Join(", ", differ)} ({expected.Count} expected, {found.Count} found)");
    }

    private static IEnumerable<DateTimeOffset> Changes(TimeZoneInfo zone, int year)
    {
        for (var moment = new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero); moment.Year == year; moment = moment.AddHours(1))
        {
            if (zone.GetUtcOffset(moment) != zone.GetUtcOffset(moment.AddHours(1)))
            {
                yield return moment;
            }
        }
    }

    private static IEnumerable<string> Expressions(Random random)
    {
        while (true)
        {
            var text = $"{Minutes()} {Field(0, 23)} {Field(1, 28)} {Field(1, 12)} {Field(0, 6)}";
            yield return text;
        }

        // Every minute is right where a few are, and slow.
        string Minutes() => string.Join(',', Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(60)));

        string Field(int least, int most)
        {
            var first = random.Next(least, most + 1);
            return random.Next(8) switch
            {
                0 or 1 or 2 => "*",
                3 => string.Create(CultureInfo.InvariantCulture, $"*/{random.Next(1, Math.Min(7, most - least) + 1)}"),
                4 => string.Create(CultureInfo.InvariantCulture, $"{first}-{random.Next(least, most + 1)}"),
                5 => string.Create(CultureInfo.InvariantCulture, $"{first},{random.Next(least, most + 1)}"),
                6 when most is not 28 => string.Create(CultureInfo.InvariantCulture, $"{first}-{random.Next(least, most + 1)}/{random.Next(1, 4)}"),
                _ => first.ToString(CultureInfo.InvariantCulture),
            };
        }
    }
}
