using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Stint.Backends.Containers.Engine;

/// <summary>One request to the engine, with the words for what may go wrong.</summary>
/// <param name="Method">HTTP's.</param>
/// <param name="Path">Path and query after the version, beginning with a slash.</param>
/// <param name="Verb">What is being done, for "the engine could not …": <c>start the container</c>.</param>
/// <param name="Subject">To what: an id or a name; null = nothing in particular.</param>
internal readonly record struct EngineCall(HttpMethod Method, string Path, string Verb, string? Subject = null)
{
    /// <summary>The request's body; disposed of with the request.</summary>
    public HttpContent? Body { get; init; }

    /// <summary>The longest that the answer may take (of a stream: its beginning).</summary>
    public TimeSpan Limit { get; init; } = EngineLimits.Question;

    /// <summary>What 404 means when its text does not say.</summary>
    public EngineFault NotFound { get; init; } = EngineFault.Rejected;

    /// <summary>Status 304, "it is so already", counts as done.</summary>
    public bool IsIdempotent { get; init; }

    /// <summary>The call as it stands in messages.</summary>
    public string Words => Subject is null ? Verb : $"{Verb} {EngineText.Short(Subject)}";

    /// <summary>A body of JSON.</summary>
    public static HttpContent Json<T>(T value, JsonTypeInfo<T> type) =>
        new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(value, type)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    /// <summary>A body that is a tar archive.</summary>
    public static HttpContent Tar(Stream tar) => new StreamContent(tar, 64 * 1024) { Headers = { ContentType = new MediaTypeHeaderValue("application/x-tar") } };
}
