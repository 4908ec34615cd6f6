using System.Globalization;

namespace Stint.Functions.Toml;

/// <summary>Something wrong in a TOML file: where, what, and what to do about it.</summary>
/// <param name="Position">Where.</param>
/// <param name="Message">What is wrong and the cure; one line.</param>
/// <param name="Excerpt">The line in question, or the part of it around the place: printable, at most <see cref="MaxExcerpt"/> characters.</param>
/// <param name="Caret">Index in <paramref name="Excerpt"/> of the place.</param>
internal sealed record TomlProblem(TomlPosition Position, string Message, string Excerpt, int Caret)
{
    /// <summary>Longest excerpt, in characters; arbitrary, fits a terminal.</summary>
    public const int MaxExcerpt = 120;

    /// <summary>A problem at a place of <paramref name="text"/>.</summary>
    public static TomlProblem At(string text, TomlPosition position, string message)
    {
        var start = 0;
        for (var line = 1; line < position.Line && start >= 0 && start < text.Length; line++)
            start = text.IndexOf('\n', start) is var end and >= 0 ? end + 1 : text.Length;
        var length = text.AsSpan(start).IndexOfAny('\r', '\n');
        var content = text.AsSpan(start, length < 0 ? text.Length - start : length);
        var column = Math.Clamp(position.Column - 1, 0, content.Length);
        var from = column < MaxExcerpt - 20 ? 0 : column - MaxExcerpt / 2;
        var excerpt = content.Slice(from, Math.Min(MaxExcerpt, content.Length - from)).ToString();
        return new TomlProblem(position, message, string.Create(excerpt.Length, excerpt, Printable), column - from);
    }

    /// <summary>Three lines: file, place and message; the line; a caret under the place.</summary>
    public string Render(string file)
    {
        var number = Position.Line.ToString(CultureInfo.InvariantCulture);
        var margin = new string(' ', number.Length);
        return $"{file}:{Position.Line}:{Position.Column}: {Message}\n {number} | {Excerpt}\n {margin} | {new string(' ', Caret)}^";
    }

    /// <inheritdoc/>
    public override string ToString() => $"line {Position.Line}, column {Position.Column}: {Message}";

    private static void Printable(Span<char> target, string source)
    {
        for (var i = 0; i < source.Length; i++)
            target[i] = source[i] == '\t' ? ' ' : char.IsControl(source[i]) || (char.IsSurrogate(source[i]) && !IsPaired(source, i)) ? '\uFFFD' : source[i];
    }

    private static bool IsPaired(string text, int index) => char.IsHighSurrogate(text[index])
        ? index + 1 < text.Length && char.IsLowSurrogate(text[index + 1])
        : index > 0 && char.IsHighSurrogate(text[index - 1]);
}
