using System.Globalization;
using OzFunctions.Schedules;

namespace OzFunctions.Core.Tests.Schedules;

public sealed class CronExpressionTests
{
    [Theory]
    [InlineData("0 6 * * 1-5", "UTC", "2026-11-25T06:00:00Z", "2026-11-26T06:00:00Z")]
    [InlineData("*/15 * * * *", "UTC", "2026-11-25T06:00:01Z", "2026-11-25T06:15:00Z")]
    [InlineData("5/20 3 * * *", "UTC", "2026-11-25T03:25:00Z", "2026-11-25T03:45:00Z")]
    [InlineData("0 0 1 JAN,jul *", "UTC", "2026-02-01T00:00:00Z", "2026-07-01T00:00:00Z")]
    [InlineData("0 9 * * fri-mon", "UTC", "2026-11-24T09:00:00Z", "2026-11-27T09:00:00Z")]
    [InlineData("0 22-2 * * *", "UTC", "2026-11-24T22:30:00Z", "2026-11-24T23:00:00Z")]
    [InlineData("0 22-2/2 * * *", "UTC", "2026-11-24T22:30:00Z", "2026-11-25T00:00:00Z")]
    [InlineData("0 0 13 * 5", "UTC", "2026-11-07T00:00:00Z", "2026-11-13T00:00:00Z")]
    [InlineData("0 0 15 * 5", "UTC", "2026-11-13T00:00:00Z", "2026-11-15T00:00:00Z")]
    [InlineData("0 0 */2 * 5", "UTC", "2026-11-08T00:00:00Z", "2026-11-13T00:00:00Z")]
    [InlineData("0 0 * * 7", "UTC", "2026-11-25T00:00:00Z", "2026-11-29T00:00:00Z")]
    [InlineData("0 0 * * 5-7", "UTC", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z")]
    [InlineData("0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", "2104-02-29T00:00:00Z")]
    [InlineData("0 0 31 * *", "UTC", "2026-02-01T00:00:00Z", "2026-03-31T00:00:00Z")]
    [InlineData("@daily", "Europe/Berlin", "2026-07-01T12:00:00Z", "2026-07-01T22:00:00Z")]
    [InlineData("@midnight", "UTC", "2026-07-01T12:00:00Z", "2026-07-02T00:00:00Z")]
    [InlineData("@HOURLY", "UTC", "2026-07-01T12:00:00Z", "2026-07-01T13:00:00Z")]
    [InlineData("@weekly", "UTC", "2026-07-01T12:00:00Z", "2026-07-05T00:00:00Z")]
    [InlineData("@monthly", "UTC", "2026-07-01T12:00:00Z", "2026-08-01T00:00:00Z")]
    [InlineData("@yearly", "UTC", "2026-07-01T12:00:00Z", "2027-01-01T00:00:00Z")]
    [InlineData("@annually", "UTC", "2026-07-01T12:00:00Z", "2027-01-01T00:00:00Z")]
    [InlineData("30 6 * * *", "Asia/Kathmandu", "2026-07-01T00:00:00Z", "2026-07-01T00:45:00Z")]
    public void The_next_time_is_this(string text, string zone, string after, string expected) => Assert.Equal(Time(expected), Next(text, zone, after));

    [Theory]
    // 29 March 2026: 02:00 becomes 03:00 in Berlin, at 01:00 UTC.
    [InlineData("30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z")]
    [InlineData("*/10 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z")]
    [InlineData("0 2,3 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z")]
    [InlineData("30 * * * *", "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z")]
    // 25 October 2026: 03:00 becomes 02:00 again, at 01:00 UTC.
    [InlineData("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z")]
    [InlineData("30 * * * *", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")]
    [InlineData("0 3 * * *", "2026-10-24T12:00:00Z", "2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z")]
    public void When_Berlin_changes_its_clocks_the_times_are_these(string text, string after, string first, string second)
    {
        var next = Next(text, "Europe/Berlin", after);

        Assert.Equal(Time(first), next);
        Assert.Equal(Time(second), Next(text, "Europe/Berlin", next!.Value.ToString("O", CultureInfo.InvariantCulture)));
    }

    [Theory]
    [InlineData("", "five fields")]
    [InlineData("* * * *", "five fields")]
    [InlineData("0 0 6 * * 1", "a field of seconds")]
    [InlineData("@reboot", "@hourly")]
    [InlineData("@every 5m", "five fields")]
    [InlineData("60 * * * *", "minute: '60' must be from 0 to 59")]
    [InlineData("* 24 * * *", "hour: '24'")]
    [InlineData("* * 0 * *", "day of month: '0' must be from 1 to 31")]
    [InlineData("* * * 13 *", "month: '13' must be from 1 to 12, or JAN to DEC")]
    [InlineData("* * * * 8", "day of week: '8' must be from 0 to 7, or SUN to SAT")]
    [InlineData("* * * * MOO", "day of week: 'MOO'")]
    [InlineData("*/0 * * * *", "step from 1 to 60")]
    [InlineData("*/61 * * * *", "step from 1 to 60")]
    [InlineData("1,,2 * * * *", "is empty")]
    [InlineData("1/2/3 * * * *", "more than one '/'")]
    [InlineData("1-2-3 * * * *", "more than one '-'")]
    [InlineData("-1 * * * *", "minute")]
    [InlineData("1- * * * *", "minute")]
    [InlineData("+1 * * * *", "minute")]
    [InlineData("٣ * * * *", "minute")]
    [InlineData("* * L * *", "write '*'")]
    [InlineData("* * ? * *", "write '*'")]
    [InlineData("0 0 30 2 *", "never comes: there is no day 30 in month 2")]
    [InlineData("0 0 31 4,6,SEP,11 *", "never comes")]
    [InlineData("0 0 30 FEB */2", "never comes")]
    public void A_bad_expression_is_refused_with_field_value_and_rule(string text, string rule)
    {
        Assert.False(CronExpression.TryParse(text, out var cron, out var fault));

        Assert.Null(cron);
        Assert.Contains(rule, fault, StringComparison.Ordinal);
    }

    [Fact]
    public void A_day_that_never_comes_may_stand_beside_a_weekday_that_does() =>
        Assert.Equal(Time("2027-02-05T00:00:00Z"), Next("0 0 30 2 5", "UTC", "2026-11-25T00:00:00Z"));

    [Fact]
    public void A_leap_day_that_is_a_given_weekday_is_found_decades_later() =>
        Assert.Equal(Time("2032-02-29T00:00:00Z"), Next("0 0 29 2 */7", "UTC", "2026-11-25T00:00:00Z"));

    private static DateTimeOffset? Next(string text, string zone, string after)
    {
        Assert.True(CronExpression.TryParse(text, out var cron, out var fault), fault);
        return cron.FindNext(Time(after), TimeZoneInfo.FindSystemTimeZoneById(zone));
    }

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture).ToUniversalTime();
}
