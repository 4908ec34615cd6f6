using System.Buffers;
using System.Text;
using System.Text.Json;
using Stint.Watchdog.Http;

namespace Stint.Watchdog.Functions;

/// <summary>What a process gets with <c>marshal_request</c>: <c>{"header":{"Name":["value"]},"body":{"raw":"base64"}}</c>.</summary>
internal static class MarshalledRequest
{
    /// <summary>Makes it.</summary>
    public static ReadOnlyMemory<byte> Make(HeaderFields fields, ReadOnlySpan<byte> body)
    {
        var buffer = new ArrayBufferWriter<byte>(body.Length * 2 + 1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("header"u8);
            var canonical = new ByteBuilder(64);
            for (var i = 0; i < fields.Count; i++)
            {
                var name = fields.Name(i);
                if (fields.IndexOf(name) < i || Ascii.EqualsIgnoreCase(name, "Host"u8)) continue;
                canonical.Clear();
                CgiEnvironment.AddCanonical(canonical, name, (byte)'-');
                json.WriteStartArray(canonical.Span);
                for (var same = i; same >= 0; same = fields.IndexOf(name, same + 1)) json.WriteStringValue(Encoding.UTF8.GetString(fields.Value(same)));
                json.WriteEndArray();
            }
            json.WriteEndObject();
            json.WriteStartObject("body"u8);
            json.WriteBase64String("raw"u8, body);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }
}
