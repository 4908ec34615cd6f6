namespace Stint.Functions.Toml;

/// <summary>
/// Dates and times: RFC 3339, section 5.6, with either half left out. Grammar:
/// <c>date [("T" | "t" | " ") time [("Z" | "z") | ("+" | "-") HH:MM]] | time</c>, <c>date = YYYY-MM-DD</c>, <c>time = HH:MM:SS[.digits]</c>.
/// </summary>
internal static class TomlDates
{
    /// <summary>Reads a whole word as a date, a time or both.</summary>
    public static TomlDateTime Read(ReadOnlySpan<char> word, TomlPosition position)
    {
        var rest = word;
        DateOnly? date = null;
        TimeOnly? time = null;
        TimeSpan? offset = null;
        var valid = true;
        if (word.Length > 4 && word[4] == '-')
        {
            valid = TryTakeDate(ref rest, out var day);
            date = day;
            if (valid && !rest.IsEmpty)
            {
                valid = rest[0] is 'T' or 't' or ' ';
                rest = rest[1..];
                valid = valid && TryTakeTime(ref rest, out time) && (rest.IsEmpty || TryTakeOffset(ref rest, out offset));
            }
        }
        else
        {
            valid = TryTakeTime(ref rest, out time);
        }
        return valid && rest.IsEmpty
            ? new TomlDateTime(date, time, offset) { Position = position }
            : throw new TomlSyntaxException(position, $"`{word}` is no date or time; write 2026-01-31, 07:32:00, 2026-01-31T07:32:00 or 2026-01-31T07:32:00+01:00");
    }

    private static bool TryTakeDate(ref ReadOnlySpan<char> rest, out DateOnly date)
    {
        date = default;
        if (!TryTakeDigits(ref rest, 4, out var year) || !TryTake(ref rest, '-') || !TryTakeDigits(ref rest, 2, out var month)
            || !TryTake(ref rest, '-') || !TryTakeDigits(ref rest, 2, out var day)) return false;
        if (year == 0 || month is 0 or > 12 || day == 0 || day > DateTime.DaysInMonth(year, month)) return false;
        date = new DateOnly(year, month, day);
        return true;
    }

    private static bool TryTakeTime(ref ReadOnlySpan<char> rest, out TimeOnly? time)
    {
        time = null;
        if (!TryTakeDigits(ref rest, 2, out var hour) || !TryTake(ref rest, ':') || !TryTakeDigits(ref rest, 2, out var minute)
            || !TryTake(ref rest, ':') || !TryTakeDigits(ref rest, 2, out var second)) return false;
        if (hour > 23 || minute > 59 || second > 60) return false;
        long ticks = 0;
        if (TryTake(ref rest, '.'))
        {
            var digits = rest.IndexOfAnyExceptInRange('0', '9');
            if (digits < 0) digits = rest.Length;
            if (digits == 0) return false;
            for (var i = 0; i < 7; i++) ticks = ticks * 10 + (i < digits ? rest[i] - '0' : 0);
            rest = rest[digits..];
        }
        var whole = new TimeOnly(hour, minute, Math.Min(second, 59));
        // A leap second has no place in a TimeOnly: its neighbour's last tick stands for it.
        time = whole.Add(TimeSpan.FromTicks(second == 60 ? TimeSpan.TicksPerSecond - 1 : ticks));
        return true;
    }

    private static bool TryTakeOffset(ref ReadOnlySpan<char> rest, out TimeSpan? offset)
    {
        offset = TimeSpan.Zero;
        if (TryTake(ref rest, 'Z') || TryTake(ref rest, 'z')) return true;
        var sign = rest[0] switch { '+' => 1, '-' => -1, _ => 0 };
        if (sign == 0) return false;
        rest = rest[1..];
        if (!TryTakeDigits(ref rest, 2, out var hours) || !TryTake(ref rest, ':') || !TryTakeDigits(ref rest, 2, out var minutes)) return false;
        offset = sign * new TimeSpan(hours, minutes, 0);
        return hours <= 23 && minutes <= 59;
    }

    private static bool TryTake(ref ReadOnlySpan<char> rest, char expected)
    {
        if (rest.IsEmpty || rest[0] != expected) return false;
        rest = rest[1..];
        return true;
    }

    private static bool TryTakeDigits(ref ReadOnlySpan<char> rest, int count, out int value)
    {
        value = 0;
        if (rest.Length < count) return false;
        foreach (var c in rest[..count])
        {
            if (!char.IsAsciiDigit(c)) return false;
            value = value * 10 + (c - '0');
        }
        rest = rest[count..];
        return true;
    }
}
