using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Stint.Dialects.FunLess;

/// <summary>Requests and answers of FunLess's API: JSON.</summary>
internal static class FunLessAnswer
{
    private const string Json = "application/json; charset=utf-8";

    // Names, and nothing else.
    private const int MaxBody = 64 * 1024;

    /// <summary>Writes an answer.</summary>
    public static Task WriteAsync<T>(HttpContext context, int status, T view, JsonTypeInfo<T> type) => WriteAsync(context, status, JsonSerializer.SerializeToUtf8Bytes(view, type));

    /// <summary>Writes an answer that is JSON already.</summary>
    public static Task WriteAsync(HttpContext context, int status, params ReadOnlyMemory<byte>[] pieces)
    {
        if (context.Response.HasStarted) return Task.CompletedTask;
        context.Response.StatusCode = status;
        context.Response.ContentType = Json;
        context.Response.ContentLength = pieces.Sum(static piece => (long)piece.Length);
        return WritePiecesAsync();

        async Task WritePiecesAsync()
        {
            foreach (var piece in pieces) await context.Response.Body.WriteAsync(piece).ConfigureAwait(false);
        }
    }

    /// <summary>Writes a refusal.</summary>
    public static Task WriteAsync(HttpContext context, FunLessRefusal refusal) => refusal.Field is { } field
        ? WriteAsync(context, refusal.Status, new FunLessInvalid(new Dictionary<string, IReadOnlyList<string>> { [field] = [refusal.Message] }), FunLessJson.Default.FunLessInvalid)
        : WriteAsync(context, refusal.Status, new FunLessFault(new FunLessDetail(refusal.Detail), refusal.Message), FunLessJson.Default.FunLessFault);

    /// <summary>Reads a small body.</summary>
    /// <param name="context">The request.</param>
    /// <param name="type">What it is.</param>
    /// <param name="form">What it looks like, for the message.</param>
    /// <exception cref="FunLessRefusal">It is something else.</exception>
    public static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type, string form)
    {
        var bytes = new byte[MaxBody + 1];
        var length = await context.Request.Body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, context.RequestAborted).ConfigureAwait(false);
        if (length > MaxBody) throw new FunLessRefusal(StatusCodes.Status413PayloadTooLarge, $"the body is larger than {MaxBody / 1024} KiB; send {form}");
        try
        {
            return JsonSerializer.Deserialize(bytes.AsSpan(0, length), type) ?? throw FunLessRefusal.Bad($"the body must be {form}");
        }
        catch (JsonException failure)
        {
            if (failure.Path?.EndsWith(".name", StringComparison.Ordinal) == true) throw FunLessRefusal.Invalid("name", "is invalid");
            throw FunLessRefusal.Bad($"the body must be {form}");
        }
    }
}
