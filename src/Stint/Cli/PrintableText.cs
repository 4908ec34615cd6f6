using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Stint.Cli;

/// <summary>
/// Makes text of unknown origin (function names, log lines, error messages) safe for a terminal: escape sequences go, what else could move the cursor,
/// reorder the line or hide something becomes U+FFFD. Output for programs (<c>--json</c>) is escaped by the JSON writer instead.
/// </summary>
internal static partial class PrintableText
{
    /// <summary>One line: line breaks are replaced as well.</summary>
    public static string Line(string? text) => Clean(text, keepLineBreaks: false);

    /// <summary>Several lines: <c>\n</c> stays, <c>\r\n</c> becomes <c>\n</c>.</summary>
    public static string Lines(string? text) => Clean(text?.Replace("\r\n", "\n", StringComparison.Ordinal), keepLineBreaks: true);

    private static string Clean(string? text, bool keepLineBreaks)
    {
        if (string.IsNullOrEmpty(text)) return "";
        text = EscapeSequence().Replace(text, "");
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            var kept = rune.Value is '\t' || (rune.Value is '\n' && keepLineBreaks) || Rune.GetUnicodeCategory(rune) is not
                (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate);
            clean.Append(kept ? rune.ToString() : "\uFFFD");
        }
        return clean.ToString();
    }

    // ECMA-48 section 5.4 (CSI, also as the single C1 character), section 5.6 (OSC, DCS, SOS, PM, APC up to their terminator), and the two-character escapes.
    [GeneratedRegex(@"(?:\x1B\[|\x9B)[\x30-\x3F]*[\x20-\x2F]*[\x40-\x7E]|(?:\x1B[\]PX^_]|[\x9D\x90\x98\x9E\x9F])[^\x07\x1B\x9C]*(?:\x07|\x1B\\|\x9C)|\x1B[\x20-\x2F]*[\x30-\x7E]")]
    private static partial Regex EscapeSequence();
}
