using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Numerics;

namespace Stint.Functions.Triggers;

/// <summary>
/// A cron expression: five fields as cron has them (minute, hour, day of the month, month, day of the week), or six with seconds before them, or a name such as <c>@daily</c>. Fields have
/// numbers, names, ranges, lists and steps. When both day fields are restricted, either is enough, as in cron. <see cref="CronClock"/> says when it is due in a time zone.
/// </summary>
internal sealed record CronExpression
{
    private static readonly (string Name, string Meaning)[] Macros =
        [("@yearly", "0 0 1 1 *"), ("@annually", "0 0 1 1 *"), ("@monthly", "0 0 1 * *"), ("@weekly", "0 0 * * 0"), ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"), ("@hourly", "0 * * * *")];

    private static readonly string[] Months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    private static readonly string[] Days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

    private static readonly Field[] Fields =
    [
        new("second", 0, 59, []), new("minute", 0, 59, []), new("hour", 0, 23, []), new("day of the month", 1, 31, []), new("month", 1, 12, Months), new("day of the week", 0, 7, Days),
    ];

    private readonly string _text;
    private readonly ulong[] _sets;
    private readonly bool _anyDay, _anyWeekday;

    private CronExpression(string text, ulong[] sets, string[] fields)
    {
        (_text, _sets) = (text, sets);
        // Sunday is 0 and 7.
        if ((_sets[5] & (1UL << 7)) != 0) _sets[5] |= 1;
        _anyDay = IsAny(fields[3]);
        _anyWeekday = IsAny(fields[5]);
        RunsWithTheHours = IsAny(fields[2]);
    }

    /// <summary>
    /// Its hours are <c>*</c> or <c>*/n</c>: it runs every so often, rather than at given times of the day. That makes a difference when clocks are changed.
    /// </summary>
    public bool RunsWithTheHours { get; }

    /// <summary>Reads an expression.</summary>
    /// <param name="text">Anything.</param>
    /// <param name="expression">The expression.</param>
    /// <param name="problem">What is wrong with it.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out CronExpression? expression, [NotNullWhen(false)] out string? problem)
    {
        expression = null;
        problem = null;
        var meaning = text.Trim();
        if (meaning.StartsWith('@'))
        {
            meaning = Macros.FirstOrDefault(macro => macro.Name.Equals(meaning, StringComparison.OrdinalIgnoreCase)).Meaning;
            if (meaning is null)
            {
                problem = $"knows {string.Join(", ", Macros.Select(static macro => macro.Name))}";
                return false;
            }
        }
        var fields = meaning.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length == 5) fields = ["0", .. fields];
        if (fields.Length != 6)
        {
            problem = $"has 5 fields (minute, hour, day of the month, month, day of the week), or 6 with seconds before them, not {fields.Length}";
            return false;
        }
        var sets = new ulong[6];
        for (var i = 0; i < 6; i++)
        {
            problem = Fields[i].Read(fields[i], i is 3 or 5, out sets[i]);
            if (problem is not null) return false;
        }
        var read = new CronExpression(text.Trim(), sets, fields);
        // 29 February of every year that has one comes within eight (2096 to 2104).
        if (read.NextDay(new DateOnly(2096, 3, 1)) is null)
        {
            problem = "names a day that never comes, such as 30 February";
            return false;
        }
        expression = read;
        return true;
    }

    /// <summary>The first matching time of the clock at or after that one, whole seconds; null when none comes before the calendar ends.</summary>
    public DateTime? NextOnTheClock(DateTime from)
    {
        var whole = new DateTime(from.Ticks - from.Ticks % TimeSpan.TicksPerSecond, DateTimeKind.Unspecified);
        if (whole < from && whole <= DateTime.MaxValue.AddSeconds(-2)) whole = whole.AddSeconds(1);
        var day = DateOnly.FromDateTime(whole);
        if (IsDay(day) && NextTime(TimeOnly.FromDateTime(whole)) is { } today) return day.ToDateTime(today);
        return day < DateOnly.MaxValue && NextDay(day.AddDays(1)) is { } next ? next.ToDateTime(NextTime(TimeOnly.MinValue)!.Value) : null;
    }

    /// <inheritdoc/>
    public bool Equals(CronExpression? other) => other is not null && _text == other._text;

    /// <inheritdoc/>
    public override int GetHashCode() => _text.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => _text;

    private static bool IsAny(string field) => field[0] is '*' or '?';

    private TimeOnly? NextTime(TimeOnly from)
    {
        for (var hour = NextOf(2, from.Hour); hour < 24; hour = NextOf(2, hour + 1))
        {
            for (var minute = NextOf(1, hour == from.Hour ? from.Minute : 0); minute < 60; minute = NextOf(1, minute + 1))
            {
                var second = NextOf(0, hour == from.Hour && minute == from.Minute ? from.Second : 0);
                if (second < 60) return new TimeOnly(hour, minute, second);
            }
        }
        return null;
    }

    private DateOnly? NextDay(DateOnly from)
    {
        // Nine years hold every pattern of dates, 29 February across 2100 included; what is not among them never comes.
        for (var (day, left) = (from, 9 * 366); left > 0; left--)
        {
            if (IsDay(day)) return day;
            if (day == DateOnly.MaxValue) return null;
            day = day.AddDays(1);
        }
        return null;
    }

    private bool IsDay(DateOnly day)
    {
        if (!Has(4, day.Month)) return false;
        var (byDate, byWeekday) = (Has(3, day.Day), Has(5, (int)day.DayOfWeek));
        return _anyDay || _anyWeekday ? byDate && byWeekday : byDate || byWeekday;
    }

    private bool Has(int field, int value) => (_sets[field] & (1UL << value)) != 0;

    /// <summary>The first value of a field from that one on; 64 when there is none.</summary>
    private int NextOf(int field, int from) => from > 63 ? 64 : BitOperations.TrailingZeroCount(_sets[field] >> from << from);

    /// <summary>One of the fields: <c>item[,item …]</c>, <c>item = * | value[-value] [/step]</c>.</summary>
    private sealed record Field(string Name, int Least, int Greatest, string[] Names)
    {
        public string? Read(string text, bool mayBeQuestion, out ulong set)
        {
            set = 0;
            foreach (var item in text.Split(','))
            {
                var slash = item.IndexOf('/', StringComparison.Ordinal);
                var range = slash < 0 ? item : item[..slash];
                var step = 1;
                if (slash >= 0 && (!int.TryParse(item.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out step) || step < 1 || step > Greatest))
                    return $"has the {Name} `{item}`, whose step is none: write a number from 1 to {Greatest} after the slash";
                int first, last;
                if (range == "*" || (mayBeQuestion && range == "?")) (first, last) = (Least, Names == Days ? 6 : Greatest);
                else
                {
                    var dash = range.IndexOf('-', StringComparison.Ordinal);
                    if (!TryValue(dash < 0 ? range : range[..dash], out first) || !TryValue(dash < 0 ? range : range[(dash + 1)..], out last))
                        return $"has the {Name} `{item}`; it is a number from {Least} to {Greatest}{(Names.Length == 0 ? "" : $" or a name such as {Names[1]}")}, a range a-b, a list a,b or a step */n";
                    // Alone, a value is where the steps begin.
                    if (dash < 0 && slash >= 0) last = Greatest;
                    // SUN is 0, but at the end of a range it is 7.
                    if (Names == Days && dash >= 0 && last == 0 && first > 0) last = 7;
                    if (first > last) return $"has the {Name} `{item}`, a range that ends before it begins; write it as two, separated by a comma";
                }
                for (var value = first; value <= last; value += step) set |= 1UL << value;
            }
            return null;
        }

        private bool TryValue(string text, out int value)
        {
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value)) return value >= Least && value <= Greatest;
            var name = Array.FindIndex(Names, name => name.Equals(text, StringComparison.OrdinalIgnoreCase));
            value = name + Least;
            return name >= 0;
        }
    }
}
