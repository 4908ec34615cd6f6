using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>A table with keys of its own.</summary>
/// <param name="section">The keys.</param>
/// <param name="defaults">What holds where the table says nothing.</param>
internal sealed class TableKind<T>(Section<T> section, T defaults) : ValueKind<T> where T : class
{
    /// <inheritdoc/>
    public override string Description => $"a table, [{section.Title}]";

    /// <inheritdoc/>
    public override T? Read(TomlValue value, Report report) => value is TomlTable table ? section.Read(table, defaults, report) : Refuse(value, report);

    /// <inheritdoc/>
    public override TomlValue Write(T value) => section.Write(value);
}
