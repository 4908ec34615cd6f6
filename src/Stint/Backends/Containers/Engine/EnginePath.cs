using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Stint.Backends.Containers.Engine;

/// <summary>A path with its query, escaped.</summary>
internal readonly struct EnginePath(string path)
{
    private readonly StringBuilder _text = new(path);

    /// <summary>Adds a value; null = none.</summary>
    public EnginePath With(string name, string? value)
    {
        if (value is not null) _text.Append(_text.ToString().Contains('?', StringComparison.Ordinal) ? '&' : '?').Append(name).Append('=').Append(Uri.EscapeDataString(value));
        return this;
    }

    /// <summary>Adds a number; null = none.</summary>
    public EnginePath With(string name, long? value) => With(name, value?.ToString(CultureInfo.InvariantCulture));

    /// <summary>Adds a switch when it is on.</summary>
    public EnginePath With(string name, bool value) => value ? With(name, "true") : this;

    /// <summary>Adds filters; null = none.</summary>
    public EnginePath With(string name, EngineFilters? filters) => With(name, filters?.ToJson());

    /// <summary>Adds names with values, as JSON; empty = none.</summary>
    public EnginePath With(string name, IReadOnlyDictionary<string, string>? values) =>
        With(name, values is { Count: > 0 } ? JsonSerializer.Serialize(values, EngineJson.Default.IReadOnlyDictionaryStringString) : null);

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();
}
