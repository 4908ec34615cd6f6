using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Features;
using Stint.Cluster.Cache;
using Stint.Cluster.Joining;
using Stint.Cluster.Workers;

namespace Stint.Cluster.Transport;

/// <summary>Short messages between machines: JSON in, JSON out.</summary>
internal static class NodeDialogue
{
    /// <summary>The longest message, bytes: a report of a machine with thousands of functions.</summary>
    public const int MaxBytes = 4 * 1024 * 1024;

    /// <summary>Reads a request's body. On return, the thread is one of the pool: what follows may block.</summary>
    /// <exception cref="NodeProtocolException">It is none.</exception>
    public static async Task<T> ReadAsync<T>(NodeRequest request, JsonTypeInfo<T> type)
    {
        var body = new PipeReaderText(request.Context.GetRequiredFeature<IRequestBodyPipeFeature>().Reader);
        var bytes = await body.ReadAsync(MaxBytes, request.Aborted).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        return Parse(bytes, type);
    }

    /// <summary>Answers a request.</summary>
    public static Task WriteAsync<T>(NodeRequest request, T message, JsonTypeInfo<T> type)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(message, type);
        var response = request.Context.GetRequiredFeature<IHttpResponseFeature>();
        response.Headers[NodeHeaders.Protocol] = NodeHeaders.Version;
        response.Headers.ContentLength = bytes.Length;
        return request.Context.GetRequiredFeature<IHttpResponseBodyFeature>().Writer.WriteAsync(bytes).AsTask();
    }

    /// <summary>Asks a machine something.</summary>
    /// <exception cref="HttpRequestException">It could not be reached.</exception>
    /// <exception cref="NodeRefusedException">It refused; the message says why.</exception>
    /// <exception cref="NodeProtocolException">What it answered is none.</exception>
    public static async Task<TAnswer> AskAsync<TQuestion, TAnswer>(NodeLink link, string path, TQuestion question, JsonTypeInfo<TQuestion> questionType, JsonTypeInfo<TAnswer> answerType, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(link.Base, path)) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.TryAddWithoutValidation(NodeHeaders.Protocol, NodeHeaders.Version);
        request.Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(question, questionType)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        using var response = await link.SendAsync(request, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK) throw await RefusedAsync(response, body, cancellationToken).ConfigureAwait(false);
            var bytes = new MemoryStream();
            var buffer = new byte[16 * 1024];
            for (int read; (read = await body.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
            {
                bytes.Write(buffer, 0, read);
                if (bytes.Length > MaxBytes) throw new NodeProtocolException($"an answer is longer than {MaxBytes >> 20} MiB");
            }
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return Parse(bytes.GetBuffer().AsMemory(0, (int)bytes.Length), answerType);
        }
        catch (IOException e)
        {
            throw new HttpRequestException(e.Message, e);
        }
    }

    /// <summary>Whether a machine is there. One of a version that does not know the question is, too: it says that it does not know it.</summary>
    /// <inheritdoc cref="AskAsync"/>
    public static async Task PingAsync(NodeLink link, CancellationToken cancellationToken)
    {
        try
        {
            await AskAsync(link, WorkerPaths.Ping, new Ping(), NodeMessages.Default.Ping, NodeMessages.Default.Ping, cancellationToken).ConfigureAwait(false);
        }
        catch (NodeRefusedException e) when (e.Status == StatusCodes.Status404NotFound)
        {
            // It has answered.
        }
    }

    /// <summary>Answers that.</summary>
    public static Task PongAsync(NodeRequest request) => WriteAsync(request, new Ping(), NodeMessages.Default.Ping);

    /// <summary>What a machine said when it refused.</summary>
    public static async Task<NodeRefusedException> RefusedAsync(HttpResponseMessage response, Stream body, CancellationToken cancellationToken)
    {
        var text = await ReplyWire.TextAsync(body, cancellationToken).ConfigureAwait(false);
        return new NodeRefusedException((int)response.StatusCode, text.Length > 0 ? text : $"it answers with status {(int)response.StatusCode}");
    }

    private static T Parse<T>(ReadOnlyMemory<byte> bytes, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(bytes.Span, type) ?? throw new NodeProtocolException("a message is empty");
        }
        catch (JsonException e)
        {
            throw new NodeProtocolException($"a message cannot be understood: {e.Message}", e);
        }
    }
}

/// <summary>Whether a machine is there; and that it is.</summary>
internal sealed record Ping;

/// <summary>A machine said something that the other cannot understand.</summary>
internal sealed class NodeProtocolException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A machine refused.</summary>
/// <param name="status">HTTP's.</param>
/// <param name="message">Why.</param>
internal sealed class NodeRefusedException(int status, string message) : Exception(message)
{
    /// <summary>HTTP's.</summary>
    public int Status => status;
}

/// <summary>The messages. Members that a machine does not know are ignored; those that it needs must be there: one that a later version adds has a default.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(AuthorityQuestion))]
[JsonSerializable(typeof(AuthorityAnswer))]
[JsonSerializable(typeof(JoinQuestion))]
[JsonSerializable(typeof(JoinAnswer))]
[JsonSerializable(typeof(RenewQuestion))]
[JsonSerializable(typeof(WorkerReport))]
[JsonSerializable(typeof(ReportAnswer))]
[JsonSerializable(typeof(SecretsQuestion))]
[JsonSerializable(typeof(SecretsAnswer))]
[JsonSerializable(typeof(CacheQuestion))]
[JsonSerializable(typeof(CacheAnswer))]
[JsonSerializable(typeof(PrepareQuestion))]
[JsonSerializable(typeof(PrepareAnswer))]
[JsonSerializable(typeof(Ping))]
[JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class NodeMessages : JsonSerializerContext;
