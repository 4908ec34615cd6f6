using System.Globalization;
using System.Text.Json.Nodes;
using Stint.Functions.Toml;

namespace Stint.Tests.Functions.Toml;

/// <summary>Values in toml-test's form: <c>{"type": "integer", "value": "1"}</c>.</summary>
internal static class TaggedJson
{
    public static JsonNode Of(TomlValue value) => value switch
    {
        TomlTable table => new JsonObject(table.Select(e => KeyValuePair.Create(e.Key, (JsonNode?)Of(e.Value)))),
        TomlArray array => new JsonArray([.. array.Select(Of)]),
        TomlString s => Tag("string", s.Value),
        TomlInteger i => Tag("integer", i.Value.ToString(CultureInfo.InvariantCulture)),
        TomlFloat f => Tag("float", Float(f.Value)),
        TomlBoolean b => Tag("bool", b.Value ? "true" : "false"),
        TomlDateTime d => Tag((d.Date, d.Time, d.Offset) switch
        {
            (_, _, not null) => "datetime",
            (not null, not null, _) => "datetime-local",
            (not null, _, _) => "date-local",
            _ => "time-local",
        }, TomlWriter.WriteValue(d)),
        _ => throw new InvalidOperationException(value.Kind),
    };

    /// <summary>The same with every float's text brought into one form.</summary>
    public static JsonNode Normalise(JsonNode node)
    {
        switch (node)
        {
            case JsonArray array:
                foreach (var item in array) Normalise(item!);
                break;
            case JsonObject { Count: 2 } tag when tag["type"] is JsonValue type && type.GetValue<string>() == "float":
                var text = tag["value"]!.GetValue<string>();
                tag["value"] = text switch
                {
                    "inf" => Float(double.PositiveInfinity),
                    "-inf" => Float(double.NegativeInfinity),
                    "nan" => Float(double.NaN),
                    _ => Float(double.Parse(text, CultureInfo.InvariantCulture)),
                };
                break;
            case JsonObject table:
                foreach (var (_, item) in table)
                    if (item is not JsonValue) Normalise(item!);
                break;
        }
        return node;
    }

    private static JsonObject Tag(string type, string value) => new() { ["type"] = type, ["value"] = value };

    private static string Float(double value) => double.IsNaN(value) ? "nan" : value.ToString("R", CultureInfo.InvariantCulture);
}
