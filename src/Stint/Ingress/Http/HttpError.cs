using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Stint.Invocations;

namespace Stint.Ingress.Http;

/// <summary>Errors as HTTP responses: a line of text, or JSON for those who accept JSON.</summary>
internal static class HttpError
{
    private const int MaxMessage = 16 * 1024;

    /// <summary>Writes one. Nothing happens when the response has begun already.</summary>
    public static async ValueTask WriteAsync(IHttpRequestFeature request, IHttpResponseFeature response, IHttpResponseBodyFeature output, Reply reply, string? callId)
    {
        if (response.HasStarted) return;
        response.StatusCode = HttpOutcome.Status(reply.Outcome);
        if (callId is not null) response.Headers["X-Call-Id"] = callId;
        if (reply.RetryAfter is { } wait) response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        var message = reply.Error ?? "";
        if (message.Length > MaxMessage) message = message[..MaxMessage];
        var bytes = WantsJson(request.Headers.Accept) ? Json(HttpOutcome.Code(reply.Outcome), message, callId) : Encoding.UTF8.GetBytes(message + "\n");
        response.Headers.ContentType = WantsJson(request.Headers.Accept) ? "application/json" : "text/plain; charset=utf-8";
        response.Headers.ContentLength = bytes.Length;
        // An unread body of a refused request would keep the connection busy; Kestrel drains a little and closes if there is more.
        await output.Writer.WriteAsync(bytes).ConfigureAwait(false);
    }

    /// <summary>What a stranger sent, made harmless for an error text.</summary>
    public static string Printable(string text)
    {
        var shown = text.Length > 80 ? text[..80] + "…" : text;
        return string.Create(shown.Length, shown, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++) span[i] = char.IsControl(source[i]) ? '?' : source[i];
        });
    }

    private static bool WantsJson(string? accept) => accept is not null && accept.Contains("application/json", StringComparison.OrdinalIgnoreCase);

    /// <summary><c>{"error":{"code":"…","message":"…","callId":"…"}}</c></summary>
    private static byte[] Json(string code, string message, string? callId)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("error"u8);
            writer.WriteString("code"u8, code);
            writer.WriteString("message"u8, message);
            if (callId is not null) writer.WriteString("callId"u8, callId);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
