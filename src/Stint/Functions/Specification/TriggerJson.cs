using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Stint.Functions.Toml;

namespace Stint.Functions.Specification;

/// <summary>Events and sinks as JSON: their keys, but never a password.</summary>
internal static class TriggerJson
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly EventsKind Events = new();
    private static readonly SinksKind Sinks = new();

    /// <summary>One line that stands for an event: equal for equal ones, whatever their passwords.</summary>
    public static string Text(EventSpec spec) => Text(spec.Type, Events.WriteOne(spec));

    /// <summary>One line that stands for a sink: equal for equal ones, whatever their passwords.</summary>
    public static string Text(SinkSpec spec) => Text(spec.Type, Sinks.WriteOne(spec));

    /// <summary>Writes a table's entries as members of the object that is open.</summary>
    public static void WriteMembers(Utf8JsonWriter json, TomlTable table)
    {
        foreach (var (key, _, value) in table)
        {
            switch (value)
            {
                case TomlString when key == "password": break;
                case TomlString text: json.WriteString(key, text.Value); break;
                case TomlInteger integer: json.WriteNumber(key, integer.Value); break;
                case TomlFloat number: json.WriteNumber(key, number.Value); break;
                case TomlBoolean boolean: json.WriteBoolean(key, boolean.Value); break;
            }
        }
    }

    /// <summary>A JSON text.</summary>
    public static string Write(Action<Utf8JsonWriter> write)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, Plain)) write(json);
        return Encoding.UTF8.GetString(memory.GetBuffer(), 0, (int)memory.Length);
    }

    private static string Text(string type, TomlTable table) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteString(TypedTablesKind<SinkSpec>.TypeKey, type);
        WriteMembers(json, table);
        json.WriteEndObject();
    });
}
