using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Stint.Functions.Triggers;

namespace Stint.Tests.Functions.Triggers;

public sealed class CronTests
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
    private static readonly TimeZoneInfo LordHowe = TimeZoneInfo.FindSystemTimeZoneById("Australia/Lord_Howe"); // its summer time is half an hour
    private static readonly TimeZoneInfo Apia = TimeZoneInfo.FindSystemTimeZoneById("Pacific/Apia"); // it left out 30 December 2011

    [Theory]
    [InlineData("* * * * *", "2026-11-21T16:00:00Z", "2026-11-21T16:01:00Z")]
    [InlineData("*/15 * * * *", "2026-11-21T16:46:00Z", "2026-11-21T17:00:00Z")]
    [InlineData("5-20/5 * * * *", "2026-11-21T16:10:00Z", "2026-11-21T16:15:00Z")]
    [InlineData("50/4 * * * *", "2026-11-21T16:50:00Z", "2026-11-21T16:54:00Z")]
    [InlineData("0 9 * * MON-FRI", "2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z")]
    [InlineData("0 9 * * fri-sun", "2026-11-21T09:00:00Z", "2026-11-22T09:00:00Z")]
    [InlineData("0 9 * * 7", "2026-11-21T16:00:00Z", "2026-11-22T09:00:00Z")]
    [InlineData("0 9 * * 0", "2026-11-21T16:00:00Z", "2026-11-22T09:00:00Z")]
    [InlineData("0 0 1 jan *", "2026-11-21T16:00:00Z", "2027-01-01T00:00:00Z")]
    [InlineData("0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z")]
    [InlineData("0 0 31 * *", "2026-11-21T00:00:00Z", "2026-12-31T00:00:00Z")]
    [InlineData("0 0 13 * FRI", "2026-11-21T00:00:00Z", "2026-11-27T00:00:00Z")] // either day field is enough
    [InlineData("0 0 13 * ?", "2026-11-21T00:00:00Z", "2026-12-13T00:00:00Z")]
    [InlineData("0 0 */10 * FRI", "2026-11-21T00:00:00Z", "2026-12-11T00:00:00Z")] // a day field that begins with * restricts as well: both count
    [InlineData("30 * * * * *", "2026-11-21T16:00:30Z", "2026-11-21T16:01:30Z")]
    [InlineData("0,10,20 0 12 * * *", "2026-11-21T12:00:10Z", "2026-11-21T12:00:20Z")]
    [InlineData("@hourly", "2026-11-21T16:00:00Z", "2026-11-21T17:00:00Z")]
    [InlineData("@DAILY", "2026-11-21T16:00:00Z", "2026-11-22T00:00:00Z")]
    [InlineData("@weekly", "2026-11-21T16:00:00Z", "2026-11-22T00:00:00Z")]
    [InlineData("@monthly", "2026-11-21T16:00:00Z", "2026-12-01T00:00:00Z")]
    [InlineData("@yearly", "2026-11-21T16:00:00Z", "2027-01-01T00:00:00Z")]
    [InlineData("  0   9 * * *  ", "2026-11-21T16:00:00Z", "2026-11-22T09:00:00Z")]
    public void An_expression_is_next_due(string cron, string after, string expected) => Assert.Equal(Moment(expected), CronClock.Next(Read(cron), TimeZoneInfo.Utc, Moment(after)));

    [Theory]
    [InlineData("", "has 5 fields")]
    [InlineData("* * * *", "has 5 fields")]
    [InlineData("* * * * * * *", "has 5 fields")]
    [InlineData("60 * * * *", "has the minute `60`")]
    [InlineData("* 24 * * *", "has the hour `24`")]
    [InlineData("* * 0 * *", "has the day of the month `0`")]
    [InlineData("* * * 13 *", "has the month `13`")]
    [InlineData("* * * * 8", "has the day of the week `8`")]
    [InlineData("* * * * FUN", "or a name such as MON")]
    [InlineData("5-1 * * * *", "ends before it begins")]
    [InlineData("*/0 * * * *", "whose step is none")]
    [InlineData("*/-1 * * * *", "whose step is none")]
    [InlineData("1, * * * *", "has the minute ``")]
    [InlineData("? * * * *", "has the minute `?`")]
    [InlineData("* * L * *", "has the day of the month `L`")]
    [InlineData("0 0 30 2 *", "names a day that never comes")]
    [InlineData("@reboot", "knows @yearly")]
    [InlineData("99999999999 * * * *", "has the minute")]
    public void What_is_no_expression_is_refused_with_a_reason(string cron, string problem)
    {
        Assert.False(CronExpression.TryParse(cron, out _, out var said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
    }

    // Berlin, 28 March 2027: after 01:59:59 comes 03:00:00. 31 October 2027: after 02:59:59 comes 02:00:00 again.
    [Theory]
    [InlineData("30 2 * * *", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z,2027-03-29T00:30:00Z")] // made up for when the gap ends
    [InlineData("*/20 2 * * *", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z,2027-03-29T00:00:00Z,2027-03-29T00:20:00Z")] // once, not three times
    [InlineData("0 3 * * *", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z,2027-03-29T01:00:00Z")]
    [InlineData("30 * * * *", "2027-03-27T23:31:00Z", "2027-03-28T00:30:00Z,2027-03-28T01:30:00Z,2027-03-28T02:30:00Z")]
    [InlineData("0 */2 * * *", "2027-03-27T22:30:00Z", "2027-03-27T23:00:00Z,2027-03-28T02:00:00Z")] // 02:00 does not come; the next even hour is 04:00
    [InlineData("30 2 * * *", "2027-10-30T12:00:00Z", "2027-10-31T00:30:00Z,2027-11-01T01:30:00Z")] // the first of the two only
    [InlineData("*/30 2 * * *", "2027-10-30T12:00:00Z", "2027-10-31T00:00:00Z,2027-10-31T00:30:00Z,2027-11-01T01:00:00Z")]
    [InlineData("30 * * * *", "2027-10-30T23:31:00Z", "2027-10-31T00:30:00Z,2027-10-31T01:30:00Z,2027-10-31T02:30:00Z")] // both
    [InlineData("0 * * * *", "2027-10-30T23:31:00Z", "2027-10-31T00:00:00Z,2027-10-31T01:00:00Z,2027-10-31T02:00:00Z")]
    public void Changes_of_the_clocks_are_as_documented(string cron, string after, string expected)
    {
        var due = Moment(after);
        foreach (var next in expected.Split(','))
        {
            due = CronClock.Next(Read(cron), Berlin, due)!.Value;
            Assert.Equal(Moment(next), due);
        }
    }

    [Fact]
    public void A_day_that_a_zone_left_out_is_made_up_for_when_the_next_one_begins() =>
        Assert.Equal(Moment("2011-12-30T10:00:00Z"), CronClock.Next(Read("0 12 30 12 *"), Apia, Moment("2011-12-29T12:00:00Z")));

    [Fact]
    public void Half_an_hour_of_summer_time_is_no_different()
    {
        // Lord Howe, 4 April 2027: at 02:00 (15:00 UTC) clocks go back to 01:30.
        Assert.Equal(Moment("2027-04-03T14:45:00Z"), CronClock.Next(Read("45 1 * * *"), LordHowe, Moment("2027-04-03T10:00:00Z")));
        Assert.Equal(Moment("2027-04-04T15:15:00Z"), CronClock.Next(Read("45 1 * * *"), LordHowe, Moment("2027-04-03T14:45:00Z")));
        Assert.Equal(Moment("2027-04-03T15:15:00Z"), CronClock.Next(Read("45 * * * *"), LordHowe, Moment("2027-04-03T14:45:00Z")));
    }

    [Fact]
    public void The_end_of_the_calendar_is_the_end() => Assert.Null(CronClock.Next(Read("* * * * *"), Berlin, DateTimeOffset.MaxValue));

    [Fact]
    public void Runs_with_the_hours_are_exactly_the_moments_whose_clock_matches()
    {
        // Whatever the zone: of the minutes of three days around each change of the clocks, those that a slow look finds.
        var minutes = Gen.Elements("*", "0", "30", "*/7", "15,45");
        var hours = Gen.Elements("*", "*/2", "*/5");
        var zones = Gen.Elements(Berlin, LordHowe, TimeZoneInfo.Utc);
        var days = Gen.Choose(0, 364);
        Prop.ForAll(minutes.ToArbitrary(), hours.ToArbitrary(), zones.Zip(days).ToArbitrary(), static (minute, hour, place) =>
        {
            var (zone, day) = place;
            var cron = Read($"{minute} {hour} * * *");
            var from = new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero).AddDays(day);
            var expected = Enumerable.Range(1, 2 * 1440).Select(offset => from.AddMinutes(offset)).Where(moment =>
            {
                var clock = (moment.UtcDateTime + zone.GetUtcOffset(moment));
                return cron.NextOnTheClock(clock) == clock;
            });
            var due = new List<DateTimeOffset>();
            for (var next = CronClock.Next(cron, zone, from); next <= from.AddMinutes(2 * 1440); next = CronClock.Next(cron, zone, next.Value)) due.Add(next.Value);
            Assert.Equal(expected, due);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Runs_at_given_times_come_once_for_each_time_of_the_clock_and_never_go_back()
    {
        Prop.ForAll(Gen.Choose(0, 23).ToArbitrary(), Gen.Choose(0, 59).ToArbitrary(), static (hour, minute) =>
        {
            var cron = Read($"{minute} {hour} * * *");
            var due = new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMinutes(-61);
            var count = 0;
            while (CronClock.Next(cron, Berlin, due) is { } next && next < new DateTimeOffset(2027, 12, 31, 22, 59, 0, TimeSpan.Zero))
            {
                Assert.True(next > due);
                due = next;
                count++;
            }
            Assert.InRange(count, 364, 366);
        }).QuickCheckThrowOnFailure();
    }

    private static CronExpression Read(string cron) => CronExpression.TryParse(cron, out var read, out var problem) ? read : throw new InvalidOperationException(problem);

    private static DateTimeOffset Moment(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
