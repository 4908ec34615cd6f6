using System.Globalization;
using System.Text;

namespace Stint.Cli;

/// <summary>
/// Sets keys in the text of a TOML file and leaves everything else, comments and order included, as it is: what <c>deploy --memory 512</c> does to the
/// <c>function.toml</c> that it sends. It understands just enough of TOML 1.0 to find a key: tables, dotted keys, and values that span lines. Whether
/// the result is valid is for the daemon to say.
/// </summary>
internal sealed class TomlEdit(string text)
{
    private readonly List<string> _lines = [.. text.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n')];

    /// <summary>The whole file.</summary>
    public override string ToString() => string.Join('\n', _lines) + "\n";

    /// <summary>A basic string, TOML 1.0 section "String".</summary>
    public static string Quote(string value)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in value)
            quoted.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\t' => "\\t",
                '\r' => "\\r",
                < ' ' or '\x7F' => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}"),
                _ => c.ToString(),
            });
        return quoted.Append('"').ToString();
    }

    /// <summary>Sets <paramref name="key"/> of <paramref name="table"/> (empty = the top) to <paramref name="value"/>, which is TOML already.</summary>
    /// <exception cref="CliException">The table is written inline, where a line cannot be added.</exception>
    public void Set(string table, string key, string value)
    {
        var current = "";
        var insertAt = table.Length == 0 ? 0 : -1;
        for (var i = 0; i < _lines.Count; i += Span(i))
        {
            var line = _lines[i].Trim();
            if (line.StartsWith('['))
            {
                current = string.Join('.', KeyParts(line.TrimStart('['), out _));
                if (current == table) insertAt = i + 1;
                continue;
            }
            if (line.Length == 0 || line[0] is '#') continue;
            var path = current.Length == 0 ? KeyParts(line, out var equals) : [current, .. KeyParts(line, out equals)];
            if (equals < 0) continue;
            var full = string.Join('.', path);
            if (full == (table.Length == 0 ? key : $"{table}.{key}"))
            {
                var span = Span(i);
                var indented = _lines[i][..(_lines[i].Length - _lines[i].TrimStart().Length)];
                _lines.RemoveRange(i + 1, span - 1);
                _lines[i] = $"{indented}{line[..equals].TrimEnd()} = {value}";
                return;
            }
            if (full == table)
                throw new CliException($"function.toml writes '{table}' in one line, so a flag cannot add to it. Write it as a table, [{table}], or change the file instead of using the flag.",
                    ExitCode.BadConfiguration);
            // Keys of the table may follow it as dotted ones; then a new one goes after them, in the same spelling.
            if (current == table) insertAt = i + Span(i);
            else if (table.Length > 0 && current.Length == 0 && full.StartsWith(table + ".", StringComparison.Ordinal))
            {
                _lines.Insert(i, $"{table}.{Key(key)} = {value}");
                return;
            }
        }
        if (insertAt < 0)
        {
            if (_lines is [.., { Length: > 0 }]) _lines.Add("");
            _lines.Add($"[{table}]");
            insertAt = _lines.Count;
        }
        _lines.Insert(insertAt, $"{Key(key)} = {value}");
    }

    private static string Key(string key) => key.Length > 0 && key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') ? key : Quote(key);

    /// <summary>The parts of a dotted key; <paramref name="equals"/> is where its value's equals sign stands, −1 without one.</summary>
    private static string[] KeyParts(string line, out int equals)
    {
        var parts = new List<string> { "" };
        var quote = '\0';
        equals = -1;
        for (var i = 0; i < line.Length; i++)
        {
            var c = line[i];
            if (quote != '\0')
            {
                if (c == quote) quote = '\0';
                else if (c is '\\' && quote is '"' && i + 1 < line.Length) parts[^1] += line[++i];
                else parts[^1] += c;
            }
            else if (c is '"' or '\'') quote = c;
            else if (c is '.') parts.Add("");
            else if (c is '=' or ']' or '#')
            {
                if (c is '=') equals = i;
                break;
            }
            else if (c is not (' ' or '\t')) parts[^1] += c;
        }
        return [.. parts];
    }

    /// <summary>How many lines the statement that begins at a line takes: arrays and multi-line strings take several.</summary>
    private int Span(int start)
    {
        var depth = 0;
        var open = "";
        // Brackets of a table header are balanced, so a header needs no special case.
        for (var i = start; i < _lines.Count; i++)
        {
            var line = _lines[i];
            for (var at = 0; at < line.Length; at++)
            {
                if (open.Length > 0)
                {
                    if (line[at] is '\\' && open[0] is '"') at++;
                    else if (string.CompareOrdinal(line, at, open, 0, open.Length) == 0)
                    {
                        at += open.Length - 1;
                        open = "";
                    }
                }
                else if (line[at] is '#') break;
                else if (line[at] is '"' or '\'')
                {
                    var triple = new string(line[at], 3);
                    open = string.CompareOrdinal(line, at, triple, 0, 3) == 0 ? triple : triple[..1];
                    at += open.Length - 1;
                }
                else if (line[at] is '[' or '{') depth++;
                else if (line[at] is ']' or '}') depth--;
            }
            // A one-line string ends with its line, closed or not: the daemon reports the unclosed one.
            if (open.Length == 1) open = "";
            if (depth <= 0 && open.Length == 0) return i - start + 1;
        }
        return _lines.Count - start;
    }
}
