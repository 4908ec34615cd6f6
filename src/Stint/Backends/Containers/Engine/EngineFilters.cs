using System.Text.Json;

namespace Stint.Backends.Containers.Engine;

/// <summary>Which objects a list or which events a stream has: of one kind any value, of several kinds all (labels: all).</summary>
internal sealed class EngineFilters
{
    private readonly Dictionary<string, IReadOnlyList<string>> _values = [];

    /// <summary>Those with this label.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="value">Its value; null = any.</param>
    public static EngineFilters Label(string name, string? value = null) => new EngineFilters().AndLabel(name, value);

    /// <summary>And with this label.</summary>
    public EngineFilters AndLabel(string name, string? value = null) => And("label", value is null ? name : $"{name}={value}");

    /// <summary>And with this value of a filter that the API names, for example <c>type</c>, <c>event</c>, <c>name</c>.</summary>
    public EngineFilters And(string filter, params ReadOnlySpan<string> values)
    {
        _values[filter] = [.. _values.GetValueOrDefault(filter, []), .. values];
        return this;
    }

    /// <summary>As the query has it.</summary>
    public string ToJson() => JsonSerializer.Serialize(_values, EngineJson.Default.DictionaryStringIReadOnlyListString);
}
