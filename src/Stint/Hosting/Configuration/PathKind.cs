using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>A path of the file system. A relative one is left as it is; the loader knows what it is relative to.</summary>
internal sealed class PathKind : ValueKind<string>
{
    /// <inheritdoc/>
    public override string Description => "a path";

    /// <inheritdoc/>
    public override string? Read(TomlValue value, Report report)
    {
        if (value is not TomlString { Value.Length: > 0 } text || text.Value.Contains('\0', StringComparison.Ordinal)) return Refuse(value, report);
        if (!text.Value.StartsWith('~')) return text.Value;
        report(value.Position, "cannot begin with ~, which only a shell understands; write the whole path");
        return null;
    }

    /// <inheritdoc/>
    public override TomlValue Write(string value) => new TomlString(value);
}
