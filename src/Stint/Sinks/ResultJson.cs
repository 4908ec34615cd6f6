using System.Text;
using System.Text.Json;

namespace Stint.Sinks;

/// <summary>Results as JSON, whatever they are.</summary>
internal static class ResultJson
{
    private const int MaxDepth = 256;

    /// <summary>The result as a JSON value; null when it is none.</summary>
    public static JsonDocument? Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            return JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Writes a result that is no JSON object as members of the object that is open: <c>result</c> with the JSON value or the text, or <c>result_base64</c> with bytes that are no text.</summary>
    public static void WriteWrapped(Utf8JsonWriter json, JsonDocument? value, ReadOnlyMemory<byte> body)
    {
        if (value is not null)
        {
            json.WritePropertyName("result");
            value.RootElement.WriteTo(json);
        }
        else if (IsText(body.Span)) json.WriteString("result", Encoding.UTF8.GetString(body.Span));
        else json.WriteBase64String("result_base64", body.Span);
    }

    private static bool IsText(ReadOnlySpan<byte> body) => System.Text.Unicode.Utf8.IsValid(body);
}
