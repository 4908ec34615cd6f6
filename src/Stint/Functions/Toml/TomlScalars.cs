using System.Globalization;
using System.Text;

namespace Stint.Functions.Toml;

/// <summary>The values that are single words: booleans, integers, floats, dates and times (TOML 1.0, "Integer" to "Local Time").</summary>
internal static class TomlScalars
{
    /// <summary>Reads the word that comes next.</summary>
    public static TomlValue Read(TomlCursor cursor)
    {
        var position = cursor.Position;
        var word = TakeWord(cursor);
        if (word.IsEmpty) throw cursor.Fail($"a value is missing: expected one before {cursor.DescribeNext()}");
        if (word is "true" or "false") return new TomlBoolean(word is "true") { Position = position };
        if (word.TrimStart("+-") is "inf" or "nan" && word.Length <= 4) return new TomlFloat(ReadSpecial(word)) { Position = position };
        if (IsDate(word) || IsTime(word)) return TomlDates.Read(word, position);
        if (!char.IsAsciiDigit(word[0]) && word[0] is not ('+' or '-')) throw new TomlSyntaxException(position, NotAValue(word));
        return ReadNumber(word, position);
    }

    private static ReadOnlySpan<char> TakeWord(TomlCursor cursor)
    {
        var start = cursor.Offset;
        SkipWord(cursor);
        var word = cursor.Text.AsSpan(start, cursor.Offset - start);
        // RFC 3339, section 5.6, allows a space between date and time.
        if (word.Length != 10 || !IsDate(word) || cursor.Next != ' ' || !char.IsAsciiDigit(cursor.Peek(1))) return word;
        cursor.Skip();
        SkipWord(cursor);
        return cursor.Text.AsSpan(start, cursor.Offset - start);
    }

    private static void SkipWord(TomlCursor cursor)
    {
        while (char.IsAsciiLetterOrDigit(cursor.Next) || cursor.Next is '+' or '-' or '_' or '.' or ':') cursor.Skip();
    }

    private static bool IsDate(ReadOnlySpan<char> word) => word.Length > 4 && word[4] == '-' && !word[..4].ContainsAnyExceptInRange('0', '9');

    private static bool IsTime(ReadOnlySpan<char> word) => word.Length > 2 && word[2] == ':' && !word[..2].ContainsAnyExceptInRange('0', '9');

    private static string NotAValue(ReadOnlySpan<char> word) =>
        word.Equals("true", StringComparison.OrdinalIgnoreCase) || word.Equals("false", StringComparison.OrdinalIgnoreCase) ? $"write `{word}` in lower case"
        : $"`{word}` is no value; a text needs quotes: \"{word}\"";

    private static double ReadSpecial(ReadOnlySpan<char> word) => word switch
    {
        "inf" or "+inf" => double.PositiveInfinity,
        "-inf" => double.NegativeInfinity,
        _ => double.NaN,
    };

    private static TomlValue ReadNumber(ReadOnlySpan<char> word, TomlPosition position)
    {
        var sign = word[0] is '+' or '-' ? 1 : 0;
        var digits = word[sign..];
        if (digits.StartsWith("0x") || digits.StartsWith("0o") || digits.StartsWith("0b"))
        {
            if (sign == 1) throw new TomlSyntaxException(position, $"`{word}`: a number in base 16, 8 or 2 has no sign");
            return ReadBased(word, position);
        }
        var isFloat = digits.ContainsAny('.', 'e', 'E');
        var at = 0;
        if (!TryTakeDigits(digits, ref at)) throw Malformed(word, position);
        if (digits[0] == '0' && at > 1) throw new TomlSyntaxException(position, $"`{word}`: a number has no leading zeros; write 0o before an octal number");
        if (!isFloat)
        {
            if (at != digits.Length) throw Malformed(word, position);
            var text = WithoutUnderscores(word);
            return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
                ? new TomlInteger(value) { Position = position }
                : throw OutOfRange(word, position);
        }
        if (at < digits.Length && digits[at] == '.')
        {
            at++;
            if (!TryTakeDigits(digits, ref at)) throw new TomlSyntaxException(position, $"`{word}`: a decimal point needs a digit on both sides");
        }
        if (at < digits.Length && digits[at] is 'e' or 'E')
        {
            at++;
            if (at < digits.Length && digits[at] is '+' or '-') at++;
            if (!TryTakeDigits(digits, ref at)) throw Malformed(word, position);
        }
        if (at != digits.Length) throw Malformed(word, position);
        return new TomlFloat(double.Parse(WithoutUnderscores(word), NumberStyles.Float, CultureInfo.InvariantCulture)) { Position = position };
    }

    private static TomlInteger ReadBased(ReadOnlySpan<char> word, TomlPosition position)
    {
        var @base = word[1] switch { 'x' => 16, 'o' => 8, _ => 2 };
        ulong value = 0;
        var afterDigit = false;
        foreach (var c in word[2..])
        {
            if (c == '_' && afterDigit)
            {
                afterDigit = false;
                continue;
            }
            var digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : int.MaxValue;
            if (digit >= @base) throw Malformed(word, position);
            afterDigit = true;
            if (value > (long.MaxValue - (ulong)digit) / (ulong)@base) throw OutOfRange(word, position);
            value = value * (ulong)@base + (ulong)digit;
        }
        return afterDigit ? new TomlInteger((long)value) { Position = position } : throw Malformed(word, position);
    }

    /// <summary>Digits with single underscores between them; false when there is none or an underscore is misplaced.</summary>
    private static bool TryTakeDigits(ReadOnlySpan<char> text, ref int at)
    {
        var afterDigit = false;
        for (; at < text.Length; at++)
        {
            if (char.IsAsciiDigit(text[at])) afterDigit = true;
            else if (text[at] == '_' && afterDigit) afterDigit = false;
            else break;
        }
        return afterDigit;
    }

    private static string WithoutUnderscores(ReadOnlySpan<char> word)
    {
        var text = new StringBuilder(word.Length);
        foreach (var c in word)
            if (c != '_') text.Append(c);
        return text.ToString();
    }

    private static TomlSyntaxException Malformed(ReadOnlySpan<char> word, TomlPosition position) =>
        new(position, $"`{word}` is no number, date or time; digits may have single underscores between them, a text needs quotes: \"{word}\"");

    private static TomlSyntaxException OutOfRange(ReadOnlySpan<char> word, TomlPosition position) =>
        new(position, $"`{word}` does not fit an integer of 64 bits ({long.MinValue} to {long.MaxValue})");
}
