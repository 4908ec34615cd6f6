using System.Globalization;
using System.Text.Json;
using Stint.Functions;
using Stint.Functions.Specification;
using Stint.Functions.Toml;

namespace Stint.Dialects.FunLess;

/// <summary>
/// Events and sinks in FunLess's JSON: <c>[{"type":"mqtt","params":{"host":"…","port":"1883","topic":"…"}}]</c>, <c>[{"type":"couchdb","params":{"url":"…","username":"…","password":"…"}}]</c>.
/// The parameters are the keys of <c>[[event]]</c> and <c>[[sink]]</c>, so that what FunLess does not have can be said too.
/// </summary>
internal static class FunLessTriggers
{
    /// <summary>What FunLess says of a type that it does not know.</summary>
    public const string NotImplemented = ":not_implemented";

    private const int MaxDepth = 8;

    /// <summary>Reads the <c>events</c> of a request. FunLess subscribes with QoS 0, and so does an event that says nothing else.</summary>
    /// <param name="json">The field's text.</param>
    /// <param name="problem">Why the text as a whole is nothing that can be read: bad JSON, or no array.</param>
    /// <returns>One for each entry, in order; null with a problem.</returns>
    public static IReadOnlyList<FunLessEntry<EventSpec>>? ReadEvents(string json, out string? problem) =>
        Read(json, new EventsKind(), EventSpec.MaxPerFunction, static (type, table) =>
        {
            if (type == "mqtt" && !table.TryGet("qos", out _)) table.Add("qos", new TomlInteger(0));
        }, out problem);

    /// <summary>Reads the <c>sinks</c> of a request.</summary>
    /// <inheritdoc cref="ReadEvents"/>
    public static IReadOnlyList<FunLessEntry<SinkSpec>>? ReadSinks(string json, out string? problem) => Read(json, new SinksKind(), SinkSpec.MaxPerFunction, static (_, _) => { }, out problem);

    /// <summary>The events of a function; passwords are left out.</summary>
    public static string Write(IReadOnlyList<EventSpec> events) => Write(events, new EventsKind(), static spec => spec.Type);

    /// <summary>The sinks of a function; passwords are left out.</summary>
    public static string Write(IReadOnlyList<SinkSpec> sinks) => Write(sinks, new SinksKind(), static spec => spec.Type);

    private static List<FunLessEntry<TSpec>>? Read<TSpec>(string json, TypedTablesKind<TSpec> kind, int most, Action<string, TomlTable> complete, out string? problem) where TSpec : class
    {
        problem = null;
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxDepth });
            if (document.RootElement.ValueKind != JsonValueKind.Array) problem = "it is no array; write [{\"type\":…,\"params\":{…}}]";
            else if (document.RootElement.GetArrayLength() > most) problem = $"it has {document.RootElement.GetArrayLength():N0} entries; a function has at most {most}";
            else return [.. document.RootElement.EnumerateArray().Select(entry => ReadOne(entry, kind, complete))];
        }
        catch (JsonException failure)
        {
            problem = $"it is not JSON: {failure.Message}";
        }
        return null;
    }

    private static FunLessEntry<TSpec> ReadOne<TSpec>(JsonElement entry, TypedTablesKind<TSpec> kind, Action<string, TomlTable> complete) where TSpec : class
    {
        if (entry.ValueKind != JsonValueKind.Object || !entry.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
            return new FunLessEntry<TSpec>(null, "an entry is an object with a text `type` and an object `params`");
        if (type.GetString() is not { } name || !kind.Types.Contains(name)) return new FunLessEntry<TSpec>(null, NotImplemented);
        if (!entry.TryGetProperty("params", out var given) || given.ValueKind != JsonValueKind.Object) return new FunLessEntry<TSpec>(null, "`params` is missing; it must be an object");
        var table = new TomlTable();
        foreach (var parameter in given.EnumerateObject())
        {
            if (parameter.Value.ValueKind == JsonValueKind.Null) continue;
            if (ValueOf(parameter) is not { } value) return new FunLessEntry<TSpec>(null, $"`{Shown(parameter.Name)}` must be a text, a number, true or false");
            if (!table.TryAdd(new TomlEntry(parameter.Name, default, value))) return new FunLessEntry<TSpec>(null, $"`{Shown(parameter.Name)}` is given twice");
        }
        complete(name, table);
        var problems = new List<string>();
        var spec = kind.ReadOne(name, table, default, (_, message) => problems.Add(message));
        return problems.Count == 0 ? new FunLessEntry<TSpec>(spec, null) : new FunLessEntry<TSpec>(null, string.Join("; ", problems));
    }

    private static TomlValue? ValueOf(JsonProperty parameter) => parameter.Value.ValueKind switch
    {
        // FunLess's clients write the port as a text.
        JsonValueKind.String when parameter.Name == "port" && int.TryParse(parameter.Value.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out var port) => new TomlInteger(port),
        JsonValueKind.String => new TomlString(parameter.Value.GetString()!),
        JsonValueKind.Number when parameter.Value.TryGetInt64(out var whole) => new TomlInteger(whole),
        JsonValueKind.Number => new TomlFloat(parameter.Value.GetDouble()),
        JsonValueKind.True or JsonValueKind.False => new TomlBoolean(parameter.Value.GetBoolean()),
        _ => null,
    };

    private static string Shown(string name) => name.Length <= 64 ? name : name[..64];

    private static string Write<TSpec>(IReadOnlyList<TSpec> specs, TypedTablesKind<TSpec> kind, Func<TSpec, string> typeOf) => TriggerJson.Write(json =>
    {
        json.WriteStartArray();
        foreach (var spec in specs)
        {
            json.WriteStartObject();
            json.WriteString("type", typeOf(spec));
            json.WriteStartObject("params");
            TriggerJson.WriteMembers(json, kind.WriteOne(spec));
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });
}

/// <summary>One event or sink of a request: what it means, or why it means nothing.</summary>
/// <param name="Spec">What goes into the function's specification; null when there is an error.</param>
/// <param name="Error">The text for FunLess's <c>{"status":"error","message":…}</c>.</param>
internal sealed record FunLessEntry<TSpec>(TSpec? Spec, string? Error) where TSpec : class;
