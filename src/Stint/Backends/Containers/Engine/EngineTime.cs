using System.Globalization;
using System.Text;

namespace Stint.Backends.Containers.Engine;

/// <summary>Moments as engines write them: RFC 3339 with nanoseconds, which .NET's own types do not hold.</summary>
internal static class EngineTime
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    // "2026-01-01T00:00:00" and the longest zone "+00:00".
    private const int WholeSeconds = 19;
    private const int LongestZone = 6;

    /// <summary>Reads <c>2026-01-01T00:00:00.123456789Z</c>, with any number of digits and any zone.</summary>
    /// <param name="nanoseconds">Since 1970.</param>
    public static bool TryParse(ReadOnlySpan<byte> text, out long nanoseconds)
    {
        nanoseconds = 0;
        if (text.Length <= WholeSeconds) return false;
        var fraction = 0L;
        var zone = text[WholeSeconds..];
        if (zone[0] == '.')
        {
            var digits = zone[1..].IndexOfAnyExceptInRange((byte)'0', (byte)'9');
            if (digits is < 1 or > 9) return false;
            foreach (var digit in zone.Slice(1, digits)) fraction = fraction * 10 + (digit - '0');
            for (var missing = digits; missing < 9; missing++) fraction *= 10;
            zone = zone[(1 + digits)..];
        }
        if (zone.Length > LongestZone) return false;
        Span<char> characters = stackalloc char[WholeSeconds + LongestZone];
        if (!Ascii.IsValid(text[..WholeSeconds]) || !Ascii.IsValid(zone)) return false;
        Encoding.ASCII.GetChars(text[..WholeSeconds], characters);
        Encoding.ASCII.GetChars(zone, characters[WholeSeconds..]);
        if (!DateTimeOffset.TryParseExact(characters[..(WholeSeconds + zone.Length)], "yyyy-MM-dd'T'HH:mm:ssK", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment)) return false;
        // Nanoseconds of 64 bits end in the year 2262.
        if (moment.Year is < 1970 or > 2260) return false;
        nanoseconds = moment.ToUnixTimeSeconds() * NanosecondsPerSecond + fraction;
        return true;
    }

    /// <summary>As the query parameters <c>since</c> and <c>until</c> have it: seconds since 1970 with nine decimals.</summary>
    public static string Format(long nanoseconds) => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / NanosecondsPerSecond}.{nanoseconds % NanosecondsPerSecond:D9}");

    /// <summary>Nanoseconds since 1970.</summary>
    public static long Of(DateTimeOffset moment) => (moment.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) * 100;
}
