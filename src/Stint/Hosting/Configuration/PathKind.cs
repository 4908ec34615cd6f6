using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>What a path leads to.</summary>
internal enum PathTarget
{
    /// <summary>A file or folder; a single name is one of the folder that the path is relative to.</summary>
    File,

    /// <summary>A program; a single name would have to be looked for, and is refused.</summary>
    Program,
}

/// <summary>A path of the file system. A relative one is left as it is; the loader knows what it is relative to.</summary>
internal sealed class PathKind(PathTarget target = PathTarget.File) : ValueKind<string>
{
    /// <inheritdoc/>
    public override string Description => target == PathTarget.Program ? "a path with at least one `/`" : "a path";

    /// <inheritdoc/>
    public override string? Read(TomlValue value, Report report)
    {
        if (value is not TomlString { Value.Length: > 0 } text || text.Value.Contains('\0', StringComparison.Ordinal)) return Refuse(value, report);
        if (target == PathTarget.Program && !text.Value.Contains('/', StringComparison.Ordinal)) return Refuse(value, report);
        if (!text.Value.StartsWith('~')) return text.Value;
        report(value.Position, "cannot begin with ~, which only a shell understands; write the whole path");
        return null;
    }

    /// <inheritdoc/>
    public override TomlValue Write(string value) => new TomlString(value);
}
