using System.Text;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>What names a table of texts may have.</summary>
internal enum TextNames
{
    /// <summary>Any.</summary>
    Any,

    /// <summary>Those of environment variables: letters, digits and underscores, no digit first (POSIX.1-2024, section 8.1).</summary>
    Variables,
}

/// <summary>A table of texts under free names: <c>[env]</c>, <c>[labels]</c>.</summary>
internal sealed class TextTableKind(TextNames names) : ValueKind<IReadOnlyDictionary<string, string>>
{
    /// <summary>Most bytes of all names and values together: they travel in one head of the runtime interface (64 KiB), beside a path.</summary>
    public const int MaxBytes = 60_000;

    /// <inheritdoc/>
    public override string Description => "a table of texts";

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string>? Read(TomlValue value, Report report)
    {
        if (value is not TomlTable table) return Refuse(value, report);
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        var bytes = 0;
        foreach (var entry in table)
        {
            if (names == TextNames.Variables && !IsVariableName(entry.Key))
                report(entry.Position, $"has a name that no variable can have, `{entry.Key}`: use A-Z a-z 0-9 _ and no digit first");
            else if (entry.Value is not TomlString text)
                report(entry.Value.Position, $"holds texts only; put the value of `{entry.Key}` in quotes");
            else if (entry.Key.Contains('\0', StringComparison.Ordinal) || text.Value.Contains('\0', StringComparison.Ordinal))
                report(entry.Value.Position, $"cannot hold the character U+0000; remove it from `{entry.Key}`");
            else
            {
                texts.Add(entry.Key, text.Value);
                bytes += Encoding.UTF8.GetByteCount(entry.Key) + Encoding.UTF8.GetByteCount(text.Value) + 2;
            }
        }
        if (bytes > MaxBytes) report(table.Position, $"has {bytes:N0} bytes of names and values; at most {MaxBytes:N0} fit, so put large values into a file of the code");
        return texts;
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyDictionary<string, string> value)
    {
        var table = new TomlTable();
        foreach (var (name, text) in value.OrderBy(p => p.Key, StringComparer.Ordinal)) table.Add(name, new TomlString(text));
        return table;
    }

    /// <summary>Whether a process can have a variable of that name.</summary>
    public static bool IsVariableName(string name)
    {
        if (name.Length == 0 || char.IsAsciiDigit(name[0])) return false;
        foreach (var c in name)
            if (!char.IsAsciiLetterOrDigit(c) && c != '_') return false;
        return true;
    }
}
