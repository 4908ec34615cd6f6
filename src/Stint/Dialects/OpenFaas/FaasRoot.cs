// POST / of the early gateway (contract openfaas.md, part 1):
//
//   X-Function: NAME                      the function NAME
//   a body that is an Alexa request       the function named by its intent
//   anything else                         400
//
// What is found becomes /function/NAME, and goes the way of all calls; an Alexa request's body as it was received.
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Stint.Ingress.Http;

namespace Stint.Dialects.OpenFaas;

/// <summary>Routes <c>POST /</c>.</summary>
internal static class FaasRoot
{
    /// <summary>The answer to a request that names no function.</summary>
    public const string Refusal = "Provide an x-function header or a valid Alexa SDK request.";

    // Alexa's requests have a few KiB. What is larger is none, and is not read to its end to find that out.
    private const int MaxBytes = 1024 * 1024;

    /// <summary>Passes the request on to the function that it names.</summary>
    public static async Task InvokeAsync(HttpIngress ingress, HttpContext context)
    {
        var name = context.Request.Headers["X-Function"] is [{ Length: > 0 } given, ..] ? given : await ReadIntentAsync(context).ConfigureAwait(false);
        if (name is null)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            context.Response.ContentType = "text/plain; charset=utf-8";
            await context.Response.WriteAsync(Refusal).ConfigureAwait(false);
            return;
        }
        context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget = $"{FaasDialect.Prefix}/{Uri.EscapeDataString(name)}{context.Request.QueryString}";
        await ingress.ProcessRequestAsync(context.Features).ConfigureAwait(false);
    }

    /// <summary>The intent's name when the bytes are an Alexa request; null when they are not.</summary>
    public static string? Intent(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            var isAlexas = Text(json.RootElement, "session", "sessionId") is not null && Text(json.RootElement, "session", "application", "applicationId") is not null;
            return isAlexas ? Text(json.RootElement, "request", "intent", "name") : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement at, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
            if (at.ValueKind != JsonValueKind.Object || !at.TryGetProperty(name, out at)) return null;
        return at.ValueKind == JsonValueKind.String && at.GetString() is { Length: > 0 } text ? text : null;
    }

    private static async Task<string?> ReadIntentAsync(HttpContext context)
    {
        if (context.Request.ContentLength > MaxBytes) return null;
        var body = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (await context.Request.Body.ReadAsync(buffer, context.RequestAborted).ConfigureAwait(false) is > 0 and var count)
        {
            if (body.Length + count > MaxBytes) return null;
            body.Write(buffer.AsSpan(0, count));
        }
        body.Position = 0;
        context.Request.Body = body;
        return Intent(body.GetBuffer().AsMemory(0, (int)body.Length));
    }
}
