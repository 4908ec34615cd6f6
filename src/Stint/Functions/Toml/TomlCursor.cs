namespace Stint.Functions.Toml;

/// <summary>A broken rule at a place; thrown and caught within the parser only.</summary>
internal sealed class TomlSyntaxException(TomlPosition position, string message) : Exception(message)
{
    /// <summary>Where.</summary>
    public TomlPosition Position => position;
}

/// <summary>Walks a text character by character, counting lines, with the rules that hold everywhere: blanks, comments, line ends, control characters.</summary>
internal sealed class TomlCursor(string text)
{
    private int _line = 1;
    private int _lineStart;

    /// <summary>The whole text.</summary>
    public string Text => text;

    /// <summary>Index of the next character.</summary>
    public int Offset { get; private set; }

    /// <summary>Where the next character stands.</summary>
    public TomlPosition Position => new(_line, Offset - _lineStart + 1);

    /// <summary>Whether nothing is left.</summary>
    public bool AtEnd => Offset >= text.Length;

    /// <summary>The next character; NUL, which no TOML text may hold, at the end.</summary>
    public char Next => Peek(0);

    /// <summary>How many arrays and multi-line strings are open: while any is, the next line is no place to go on after an error.</summary>
    public int OpenLines { get; set; }

    /// <summary>The character <paramref name="ahead"/> places further; NUL beyond the end.</summary>
    public char Peek(int ahead) => Offset + ahead < text.Length ? text[Offset + ahead] : '\0';

    /// <summary>Passes characters that are no line ends.</summary>
    public void Skip(int count = 1) => Offset += count;

    /// <summary>Passes the word if it comes next.</summary>
    public bool TrySkip(string word)
    {
        if (!text.AsSpan(Offset).StartsWith(word, StringComparison.Ordinal)) return false;
        Offset += word.Length;
        return true;
    }

    /// <summary>Passes spaces and tabs.</summary>
    public void SkipBlanks()
    {
        while (Next is ' ' or '\t') Offset++;
    }

    /// <summary>Passes blanks, comments and line ends: what may stand between the values of an array.</summary>
    public void SkipBlankLines()
    {
        do SkipBlanks();
        while (TrySkipComment() | TrySkipLineEnd());
    }

    /// <summary>Passes a comment, up to its line's end.</summary>
    public bool TrySkipComment()
    {
        if (Next != '#') return false;
        while (!AtEnd && !IsAtLineEnd())
        {
            ForbidControl("a comment");
            Offset++;
        }
        return true;
    }

    /// <summary>Passes LF or CR LF.</summary>
    public bool TrySkipLineEnd()
    {
        if (!IsAtLineEnd()) return false;
        Offset += Next == '\r' ? 2 : 1;
        _line++;
        _lineStart = Offset;
        return true;
    }

    /// <summary>Whether LF or CR LF comes next.</summary>
    public bool IsAtLineEnd() => Next == '\n' || (Next == '\r' && Peek(1) == '\n');

    /// <summary>Goes to the beginning of the next line, whatever comes before it.</summary>
    public void SkipLine()
    {
        while (!AtEnd && Next != '\n') Offset++;
        TrySkipLineEnd();
    }

    /// <summary>Refuses a control character other than tab as the next character, and half of a surrogate pair.</summary>
    public void ForbidControl(string where)
    {
        var c = Next;
        if (c == '\r') throw Fail("a carriage return must be followed by a line feed");
        if ((c < ' ' && c != '\t') || c == '\x7F') throw Fail($"{where} cannot contain the control character U+{(int)c:X4}");
        if (!char.IsSurrogate(c)) return;
        var paired = char.IsHighSurrogate(c) ? char.IsLowSurrogate(Peek(1)) : Offset > 0 && char.IsHighSurrogate(text[Offset - 1]);
        if (!paired) throw Fail($"{where} cannot contain half of a surrogate pair, U+{(int)c:X4}");
    }

    /// <summary>An error at the next character.</summary>
    public TomlSyntaxException Fail(string message) => new(Position, message);

    /// <summary>What comes next, in words.</summary>
    public string DescribeNext() => AtEnd ? "the end of the file"
        : IsAtLineEnd() ? "the end of the line"
        : Next is < ' ' or '\x7F' || char.IsSurrogate(Next) ? $"U+{(char.IsSurrogatePair(Next, Peek(1)) ? char.ConvertToUtf32(Next, Peek(1)) : Next):X4}"
        : $"`{Next}`";
}
