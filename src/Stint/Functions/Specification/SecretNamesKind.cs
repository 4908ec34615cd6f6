using Stint.Functions.Secrets;
using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>Names of secrets. Whether they exist is seen when an instance starts.</summary>
internal sealed class SecretNamesKind : ValueKind<IReadOnlyList<string>>
{
    private readonly TextListKind _texts = new("an array of secrets' names, such as [\"api-key\"]");

    /// <inheritdoc/>
    public override string Description => _texts.Description;

    /// <inheritdoc/>
    public override IReadOnlyList<string>? Read(TomlValue value, Report report)
    {
        if (_texts.Read(value, report) is not { } names) return null;
        foreach (var (index, name) in names.Index())
            if (!SecretName.IsValid(name)) report(((TomlArray)value)[index].Position, $"has a name that no secret can have: {SecretName.Rule}");
        return [.. names.Distinct(StringComparer.Ordinal)];
    }

    /// <inheritdoc/>
    public override TomlValue Write(IReadOnlyList<string> value) => _texts.Write(value);
}
