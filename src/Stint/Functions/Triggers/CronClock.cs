// When clocks are changed, the same time of the day may come twice or not at all. What a schedule then means:
//
//   at given times ("30 2 * * *")      every time of the clock counts once: in an overlap the first of the two, and one that a gap leaves out is made up for when the gap ends
//   with the hours ("*/10 * * * *")    it goes on in real time: through both passes of an overlap, and from the gap's end on as the clock says
//
// This is what cron(8) of Debian and other careful implementations do; "with the hours" means that the field of the hours begins with *.
namespace Stint.Functions.Triggers;

/// <summary>Finds when a cron expression is due by the clocks of a time zone.</summary>
internal static class CronClock
{
    /// <summary>More than any zone is ahead of UTC, or behind.</summary>
    private static readonly TimeSpan MostAhead = TimeSpan.FromHours(26);

    /// <summary>The first time after that one, whole seconds of UTC; null when none comes before the calendar ends.</summary>
    public static DateTimeOffset? Next(CronExpression cron, TimeZoneInfo zone, DateTimeOffset after)
    {
        // Close to the calendar's end no zone's clock can be told any more.
        if (after.UtcDateTime > DateTime.MaxValue.AddDays(-3)) return null;
        return cron.RunsWithTheHours ? NextInterval(cron, zone, after.ToUniversalTime()) : NextOfTheDay(cron, zone, after.ToUniversalTime());
    }

    private static DateTimeOffset? NextOfTheDay(CronExpression cron, TimeZoneInfo zone, DateTimeOffset after)
    {
        // Times of the clock stand for moments that never go back, so the first moment that is late enough is the one. In an overlap's second pass they lie before it.
        for (var clock = cron.NextOnTheClock(ClockOf(zone, after)); clock is { } time && time < DateTime.MaxValue.AddDays(-3); clock = cron.NextOnTheClock(time.AddSeconds(1)))
        {
            var moment = MomentOf(zone, time);
            if (moment > after) return moment;
        }
        return null;
    }

    private static DateTimeOffset? NextInterval(CronExpression cron, TimeZoneInfo zone, DateTimeOffset after)
    {
        // The first moment that may count: a change of the clocks begins a stretch anew, its own first moment included.
        for (var from = after.AddTicks(1); ;)
        {
            var offset = zone.GetUtcOffset(from);
            if (cron.NextOnTheClock(from.UtcDateTime + offset) is not { } time || time >= DateTime.MaxValue.AddDays(-3)) return null;
            var due = new DateTimeOffset(DateTime.SpecifyKind(time - offset, DateTimeKind.Utc));
            if (FirstChange(zone, from, due) is not { } change) return due;
            from = change;
        }
    }

    /// <summary>The first moment of (<paramref name="from"/>, <paramref name="to"/>] with another offset than <paramref name="from"/>; null when there is none.</summary>
    private static DateTimeOffset? FirstChange(TimeZoneInfo zone, DateTimeOffset from, DateTimeOffset to)
    {
        var offset = zone.GetUtcOffset(from);
        for (var (before, step) = (from, TimeSpan.FromDays(1)); before < to;)
        {
            var next = to - before < step ? to : before + step;
            if (zone.GetUtcOffset(next) == offset)
            {
                before = next;
                continue;
            }
            // It is between the two: halve until they are neighbours.
            while ((next - before).Ticks > 1)
            {
                var middle = before + TimeSpan.FromTicks((next - before).Ticks / 2);
                if (zone.GetUtcOffset(middle) == offset) before = middle;
                else next = middle;
            }
            return next;
        }
        return null;
    }

    private static DateTime ClockOf(TimeZoneInfo zone, DateTimeOffset moment) => DateTime.SpecifyKind(moment.UtcDateTime + zone.GetUtcOffset(moment), DateTimeKind.Unspecified);

    /// <summary>The first moment at which clocks show that time; when none does, the end of the gap that it falls into. .NET's own answer does not know zones that change their side of the date line.</summary>
    private static DateTimeOffset MomentOf(TimeZoneInfo zone, DateTime clock)
    {
        var around = new DateTimeOffset(DateTime.SpecifyKind(clock, DateTimeKind.Utc));
        var (before, after) = (around - MostAhead, around + MostAhead);
        // Far ahead of UTC is early.
        var (first, second) = (around - zone.GetUtcOffset(before), around - zone.GetUtcOffset(after));
        if (second < first) (first, second) = (second, first);
        if (ClockOf(zone, first) == clock) return first;
        return ClockOf(zone, second) == clock ? second : FirstChange(zone, before, after) ?? second;
    }
}
