using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>An array of tables, each with a <c>type</c> that decides which other keys it has.</summary>
/// <param name="header">How a table begins in the file.</param>
/// <param name="most">Most tables.</param>
internal abstract class TypedTablesKind<TSpec>(string header, int most) : ValueKind<IReadOnlyList<TSpec>>
{
    /// <summary>The key that says which kind of table it is.</summary>
    public const string TypeKey = "type";

    /// <summary>The values of <c>type</c>.</summary>
    public abstract IReadOnlyList<string> Types { get; }

    /// <inheritdoc/>
    public override string Description => $"tables, each under {header}";

    /// <summary>Reads the table of one whose type is known.</summary>
    public abstract TSpec ReadOne(string type, TomlTable table, TomlPosition position, Report report);

    /// <summary>The table of one, without its type; defaults are left out.</summary>
    public abstract TomlTable WriteOne(TSpec spec);

    /// <inheritdoc/>
    public override IReadOnlyList<TSpec>? Read(TomlValue value, Report report)
    {
        if (value is not TomlArray array) return Refuse(value, report);
        var specs = new List<TSpec>();
        foreach (var item in array)
        {
            if (item is not TomlTable table) report(item.Position, $"must be {Description}, not {item.Kind}");
            else if (!table.TryGet(TypeKey, out var type)) report(item.Position, $"is wrong: `type` is missing; it must be {Words}");
            else if (type.Value is not TomlString word || !Types.Contains(word.Value)) report(type.Value.Position, $"is wrong: {Unknown(type.Value)}");
            else specs.Add(ReadOne(word.Value, table, item.Position, (position, message) => report(position, $"is wrong: {message}")));
        }
        if (array.Count > most) report(value.Position, $"is there {array.Count:N0} times; a function has at most {most}");
        return specs;
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<TSpec> value)
    {
        var array = new TomlArray { IsOfTables = true };
        foreach (var spec in value)
        {
            var table = new TomlTable();
            table.Add(TypeKey, new TomlString(TypeOf(spec)));
            foreach (var entry in WriteOne(spec)) table.Add(entry.Key, entry.Value);
            array.Add(table);
        }
        return array;
    }

    /// <summary>The type of one.</summary>
    protected abstract string TypeOf(TSpec spec);

    /// <summary>What else to say of a type that there is not.</summary>
    protected virtual string? Hint(string type) => null;

    /// <summary>Reads a table and reports what it lacks.</summary>
    protected static T ReadAll<T>(Section<T> section, TomlTable table, T defaults, TomlPosition position, Report report)
    {
        var spec = section.Read(table, defaults, report, [TypeKey]);
        section.Demand(table, position, report);
        return spec;
    }

    private string Words => string.Join(" or ", Types.Select(static type => $"\"{type}\""));

    private string Unknown(TomlValue value)
    {
        var type = (value as TomlString)?.Value ?? "";
        var hint = Hint(type) ?? (Suggestion.For(type, Types) is { } near && type.Length > 0 ? $"did you mean \"{near}\"?" : null);
        var text = TomlWriter.WriteValue(value);
        return $"`type` must be {Words}, not {(text.Length <= 60 ? text : value.Kind)}{(hint is null ? "" : $"; {hint}")}";
    }
}
