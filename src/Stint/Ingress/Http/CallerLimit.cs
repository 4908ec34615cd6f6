using System.Buffers;
using System.Globalization;

namespace Stint.Ingress.Http;

/// <summary>
/// The request header <c>X-Timeout</c>: how long the caller waits at most. Seconds (<c>2.5</c>), or a duration as Go writes it (<c>1m30s</c>, <c>250ms</c>), which is what OpenFaaS's clients send.
/// </summary>
internal static class CallerLimit
{
    /// <summary>The header.</summary>
    public const string Header = "X-Timeout";

    /// <summary>What it may look like, for error texts.</summary>
    public const string Rule = "seconds, such as 2.5, or a duration such as 250ms or 1m30s";

    private const int MaxLength = 32;

    // More than the longest timeout that a function may have is as good as none.
    private const double MaxSeconds = 86_400;

    private static readonly SearchValues<char> Number = SearchValues.Create("0123456789.");

    /// <summary>Reads one; a day or more is a day.</summary>
    /// <returns>False when the text is none: nothing, negative, an unknown unit.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan limit)
    {
        limit = default;
        text = text.Trim();
        if (text.IsEmpty || text.Length > MaxLength) return false;
        if (TryParseNumber(text, out var seconds))
        {
            limit = TimeSpan.FromSeconds(Math.Min(seconds, MaxSeconds));
            return true;
        }
        for (seconds = 0; !text.IsEmpty;)
        {
            var digits = text.IndexOfAnyExcept(Number);
            if (digits < 0 || !TryParseNumber(text[..digits], out var number)) return false;
            text = text[digits..];
            var letters = text.IndexOfAny(Number);
            if (letters < 0) letters = text.Length;
            if (UnitSeconds(text[..letters]) is not { } unit) return false;
            seconds += number * unit;
            text = text[letters..];
        }
        limit = TimeSpan.FromSeconds(Math.Min(seconds, MaxSeconds));
        return true;
    }

    private static bool TryParseNumber(ReadOnlySpan<char> text, out double number)
    {
        number = 0;
        // Without this, NaN and Infinity would be numbers.
        return text.IndexOfAnyExcept(Number) < 0 && double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number);
    }

    private static double? UnitSeconds(ReadOnlySpan<char> unit) => unit switch
    {
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        "ms" => 1e-3,
        "us" or "µs" => 1e-6,
        "ns" => 1e-9,
        _ => null,
    };
}
