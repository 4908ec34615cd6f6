using System.Globalization;
using System.Text;

namespace Stint.Functions.Toml;

/// <summary>Writes tables as TOML text: plain entries first, then each table, or table of an array, under its header. What it writes, <see cref="TomlDocument"/> reads back equal.</summary>
internal static class TomlWriter
{
    /// <summary>A whole document.</summary>
    public static string Write(TomlTable root)
    {
        var text = new StringBuilder();
        WriteSection(text, root, "");
        return text.ToString();
    }

    /// <summary>One value, on one line.</summary>
    public static string WriteValue(TomlValue value)
    {
        var text = new StringBuilder();
        WriteValue(text, value);
        return text.ToString();
    }

    private static void WriteSection(StringBuilder text, TomlTable table, string path)
    {
        foreach (var entry in table)
        {
            if (entry.Value is TomlTable or TomlArray { IsOfTables: true, Count: > 0 }) continue;
            WriteKey(text, entry.Key);
            text.Append(" = ");
            WriteValue(text, entry.Value);
            text.Append('\n');
        }
        foreach (var entry in table)
        {
            var isArray = entry.Value is TomlArray { IsOfTables: true };
            if (entry.Value is not TomlTable && !isArray) continue;
            var key = new StringBuilder();
            WriteKey(key, entry.Key);
            var name = path.Length == 0 ? key.ToString() : $"{path}.{key}";
            foreach (var inner in isArray ? ((TomlArray)entry.Value).Cast<TomlTable>() : [(TomlTable)entry.Value])
            {
                if (text.Length > 0) text.Append('\n');
                text.Append(isArray ? "[[" : "[").Append(name).Append(isArray ? "]]\n" : "]\n");
                WriteSection(text, inner, name);
            }
        }
    }

    private static void WriteValue(StringBuilder text, TomlValue value)
    {
        switch (value)
        {
            case TomlString s: WriteString(text, s.Value); break;
            case TomlInteger i: text.Append(CultureInfo.InvariantCulture, $"{i.Value}"); break;
            case TomlFloat f: text.Append(FormatFloat(f.Value)); break;
            case TomlBoolean b: text.Append(b.Value ? "true" : "false"); break;
            case TomlDateTime d: text.Append(FormatDateTime(d)); break;
            case TomlArray array:
                text.Append('[');
                for (var i = 0; i < array.Count; i++)
                {
                    if (i > 0) text.Append(", ");
                    WriteValue(text, array[i]);
                }
                text.Append(']');
                break;
            case TomlTable table:
                var separator = "{ ";
                foreach (var entry in table)
                {
                    text.Append(separator);
                    WriteKey(text, entry.Key);
                    text.Append(" = ");
                    WriteValue(text, entry.Value);
                    separator = ", ";
                }
                text.Append(table.Count == 0 ? "{}" : " }");
                break;
        }
    }

    private static void WriteKey(StringBuilder text, string key)
    {
        var isBare = key.Length > 0;
        foreach (var c in key) isBare &= char.IsAsciiLetterOrDigit(c) || c is '_' or '-';
        if (isBare) text.Append(key);
        else WriteString(text, key);
    }

    private static void WriteString(StringBuilder text, string value)
    {
        text.Append('"');
        // Enumerating runes turns half a surrogate pair, which TOML cannot hold, into U+FFFD.
        foreach (var rune in value.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case '"': text.Append("\\\""); break;
                case '\\': text.Append("\\\\"); break;
                case '\n': text.Append("\\n"); break;
                case '\r': text.Append("\\r"); break;
                case '\t': text.Append("\\t"); break;
                case < ' ' or 0x7F: text.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:X4}"); break;
                default: text.Append(rune.ToString()); break;
            }
        }
        text.Append('"');
    }

    private static string FormatFloat(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        return text.AsSpan().ContainsAny('.', 'E') ? text : text + ".0";
    }

    private static string FormatDateTime(TomlDateTime value)
    {
        var text = value.Date?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) ?? "";
        if (value.Time is { } time) text += (value.Date is null ? "" : "T") + time.ToString("HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture);
        if (value.Offset is { } offset) text += offset == TimeSpan.Zero ? "Z" : (offset < TimeSpan.Zero ? "-" : "+") + offset.ToString("hh\\:mm", CultureInfo.InvariantCulture);
        return text;
    }
}
