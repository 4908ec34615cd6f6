using System.Globalization;

namespace Stint.Cli;

/// <summary>Numbers as people read them, the same in every language setting.</summary>
internal static class Figures
{
    /// <summary>Bytes in binary units with three digits or so: <c>512 B</c>, <c>1.5 MiB</c>.</summary>
    public static string Bytes(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        double value = bytes;
        var unit = 0;
        while (value >= 1024 && unit < units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        return string.Create(CultureInfo.InvariantCulture, $"{value.ToString(value >= 100 || unit == 0 ? "0" : "0.#", CultureInfo.InvariantCulture)} {units[unit]}");
    }

    /// <summary>A duration in seconds with the unit that suits it: <c>870 µs</c>, <c>12.3 ms</c>, <c>4.2 s</c>; a dash for none.</summary>
    public static string Seconds(double? seconds) => seconds switch
    {
        null => "-",
        0 => "0 s",
        < 0.001 => Number(seconds.Value * 1e6, "0") + " µs",
        < 1 => Number(seconds.Value * 1e3, seconds >= 0.1 ? "0" : "0.#") + " ms",
        _ => Number(seconds.Value, seconds >= 100 ? "0" : "0.#") + " s",
    };

    /// <summary>A length of time as it is spoken of: <c>2 s</c>, <c>3 min 20 s</c>, <c>2 h 5 min</c>, <c>3 d 4 h</c>.</summary>
    public static string Elapsed(double seconds)
    {
        var time = TimeSpan.FromSeconds(seconds);
        return time switch
        {
            { TotalSeconds: < 60 } => Number(seconds, "0.#") + " s",
            { TotalMinutes: < 60 } => string.Create(CultureInfo.InvariantCulture, $"{time.Minutes} min {time.Seconds} s"),
            { TotalHours: < 24 } => string.Create(CultureInfo.InvariantCulture, $"{time.Hours} h {time.Minutes} min"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{time.Days} d {time.Hours} h"),
        };
    }

    /// <summary>A moment, to the second, in UTC: logs of several machines are compared.</summary>
    public static string Moment(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "-";

    /// <summary>A number.</summary>
    public static string Number(double value, string format = "0.##") => value.ToString(format, CultureInfo.InvariantCulture);

    /// <summary>A count with its word: <c>1 function</c>, <c>3 functions</c>.</summary>
    public static string Count(int count, string noun) => string.Create(CultureInfo.InvariantCulture, $"{count} {noun}{(count == 1 ? "" : "s")}");
}
