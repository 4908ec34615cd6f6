using System.Buffers;
using System.Globalization;

namespace Stint.Watchdog.Settings;

/// <summary>Durations as the watchdogs take them: whole seconds (<c>20</c>), or Go's notation (<c>1m30s</c>, <c>1.5h</c>, <c>250ms</c>; time.ParseDuration without a sign).</summary>
internal static class GoDuration
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");

    private static readonly (string Unit, double Seconds)[] Units =
        [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600)];

    /// <summary>Reads a duration of at most 10 years; longer ones, negative ones and anything else are refused.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan duration)
    {
        duration = default;
        if (text.IsEmpty) return false;
        var seconds = 0.0;
        if (double.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var whole))
            seconds = whole;
        else
        {
            while (!text.IsEmpty)
            {
                var digits = text.IndexOfAnyExcept(Digits);
                if (digits <= 0 || !double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
                text = text[digits..];
                var next = text.IndexOfAny(Digits);
                var unit = next < 0 ? text : text[..next];
                if (SecondsIn(unit) is not { } factor) return false;
                seconds += number * factor;
                text = next < 0 ? default : text[next..];
            }
        }
        if (seconds > 10 * 365 * 86400.0) return false;
        duration = TimeSpan.FromSeconds(seconds);
        return true;
    }

    /// <summary>A duration in the shortest of Go's forms.</summary>
    public static string Format(TimeSpan duration) => duration switch
    {
        { Ticks: 0 } => "0s",
        { TotalMilliseconds: < 1000 } => Invariant($"{duration.TotalMilliseconds:0.###}ms"),
        { TotalSeconds: < 60 } => Invariant($"{duration.TotalSeconds:0.###}s"),
        { TotalHours: < 1 } => Invariant($"{(int)duration.TotalMinutes}m{duration.TotalSeconds % 60:0.###}s"),
        _ => Invariant($"{(long)duration.TotalHours}h{duration.Minutes}m{duration.TotalSeconds % 60:0.###}s"),
    };

    private static double? SecondsIn(ReadOnlySpan<char> unit)
    {
        foreach (var (name, seconds) in Units)
        {
            if (unit.SequenceEqual(name)) return seconds;
        }
        return null;
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
