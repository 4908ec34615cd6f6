using System.Globalization;
using System.Text;

namespace Stint.Functions.Toml;

/// <summary>The four notations of strings (TOML 1.0, "String"). Each method begins at the opening quote and ends after the closing one.</summary>
internal static class TomlStrings
{
    /// <summary>Reads whichever notation comes next.</summary>
    public static string Read(TomlCursor cursor) => cursor.Next == '"'
        ? (cursor.TrySkip("\"\"\"") ? ReadMultiLine(cursor, '"') : ReadBasic(cursor))
        : (cursor.TrySkip("'''") ? ReadMultiLine(cursor, '\'') : ReadLiteral(cursor));

    /// <summary><c>"…"</c>: one line, with escapes.</summary>
    public static string ReadBasic(TomlCursor cursor)
    {
        var start = cursor.Position;
        cursor.Skip();
        var text = new StringBuilder();
        while (cursor.Next != '"')
        {
            if (cursor.AtEnd || cursor.IsAtLineEnd()) throw new TomlSyntaxException(start, "the string is not closed on its line; end it with `\"`, or begin it with `\"\"\"` to span lines");
            cursor.ForbidControl("a string");
            if (cursor.Next == '\\') ReadEscape(cursor, text);
            else Append(cursor, text);
        }
        cursor.Skip();
        return text.ToString();
    }

    /// <summary><c>'…'</c>: one line, as it stands.</summary>
    public static string ReadLiteral(TomlCursor cursor)
    {
        var start = cursor.Position;
        cursor.Skip();
        var from = cursor.Offset;
        while (cursor.Next != '\'')
        {
            if (cursor.AtEnd || cursor.IsAtLineEnd()) throw new TomlSyntaxException(start, "the string is not closed on its line; end it with `'`, or begin it with `'''` to span lines");
            cursor.ForbidControl("a string");
            cursor.Skip();
        }
        var text = cursor.Text[from..cursor.Offset];
        cursor.Skip();
        return text;
    }

    /// <summary>The rest of a multi-line string, with escapes when the quote is <c>"</c>. A line end right after the opening quotes does not count.</summary>
    private static string ReadMultiLine(TomlCursor cursor, char quote)
    {
        var start = cursor.Position with { Column = cursor.Position.Column - 3 };
        cursor.OpenLines++;
        cursor.TrySkipLineEnd();
        var text = new StringBuilder();
        while (true)
        {
            if (cursor.AtEnd) throw new TomlSyntaxException(start, $"the string is never closed; end it with `{new string(quote, 3)}`");
            if (cursor.Next == quote)
            {
                var quotes = 0;
                while (cursor.Next == quote && quotes < 5) { quotes++; cursor.Skip(); }
                // Up to two quotes may stand right before the three that close.
                text.Append(quote, quotes < 3 ? quotes : quotes - 3);
                if (quotes >= 3) break;
            }
            else if (cursor.TrySkipLineEnd()) text.Append('\n');
            else if (cursor.Next == '\\' && quote == '"') { if (!TrySkipFoldedLine(cursor)) ReadEscape(cursor, text); }
            else
            {
                cursor.ForbidControl("a string");
                Append(cursor, text);
            }
        }
        cursor.OpenLines--;
        return text.ToString();
    }

    /// <summary>A backslash at a line's end takes away all white space up to the next character.</summary>
    private static bool TrySkipFoldedLine(TomlCursor cursor)
    {
        var ahead = 1;
        while (cursor.Peek(ahead) is ' ' or '\t') ahead++;
        if (cursor.Peek(ahead) != '\n' && (cursor.Peek(ahead) != '\r' || cursor.Peek(ahead + 1) != '\n')) return false;
        cursor.Skip(ahead);
        do cursor.SkipBlanks();
        while (cursor.TrySkipLineEnd());
        return true;
    }

    private static void ReadEscape(TomlCursor cursor, StringBuilder text)
    {
        char? simple = cursor.Peek(1) switch
        {
            'b' => '\b', 't' => '\t', 'n' => '\n', 'f' => '\f', 'r' => '\r', '"' => '"', '\\' => '\\', _ => null,
        };
        if (simple is { } c)
        {
            text.Append(c);
            cursor.Skip(2);
            return;
        }
        var digits = cursor.Peek(1) switch { 'u' => 4, 'U' => 8, _ => 0 };
        if (digits == 0)
            throw cursor.Fail("after `\\` only b, t, n, f, r, \", \\, uXXXX and UXXXXXXXX mean something; write `\\\\` for a backslash, or use '…', where it is an ordinary character");
        Span<char> hex = stackalloc char[digits];
        for (var i = 0; i < digits; i++) hex[i] = cursor.Peek(2 + i);
        if (hex.ContainsAnyExcept(HexDigits)) throw cursor.Fail($"`\\{cursor.Peek(1)}` must be followed by {digits} hexadecimal digits");
        var code = uint.Parse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        if (!Rune.IsValid(code)) throw cursor.Fail($"U+{code:X4} is not a Unicode scalar value (0 to D7FF and E000 to 10FFFF)");
        text.Append(new Rune(code).ToString());
        cursor.Skip(2 + digits);
    }

    private static readonly System.Buffers.SearchValues<char> HexDigits = System.Buffers.SearchValues.Create("0123456789abcdefABCDEF");

    private static void Append(TomlCursor cursor, StringBuilder text)
    {
        text.Append(cursor.Next);
        cursor.Skip();
    }
}
