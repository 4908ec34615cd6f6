using System.Buffers;
using System.IO.Pipelines;
using Stint.Ingress.Grpc.Wire;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Ingress.Grpc.Services;

/// <summary>What the services that call functions have in common: from a message to an <see cref="Invocation"/>, and from a <see cref="Reply"/> to an end.</summary>
/// <param name="invoke">The router.</param>
/// <param name="accept">Takes an asynchronous call over; null, or why not.</param>
/// <param name="maxMessage">The longest answer that is gathered for one message, bytes.</param>
internal sealed class FunctionCalls(Func<Invocation, ValueTask<Reply>> invoke, Func<Invocation, ValueTask<Reply?>> accept, int maxMessage)
{
    private const string AsyncKey = "x-tinyfaas-async";
    private const string CallIdKey = "x-call-id";
    private const int MaxMethod = 32; // the longest registered HTTP method has 17 characters

    /// <summary>Whether the caller wants no answer.</summary>
    public static bool IsAsync(GrpcCall call) => call.Metadata.ContainsKey(AsyncKey);

    /// <summary>
    /// The call in the platform's words. What came in a message instead of HTTP's own lines has passed no parser of HTTP yet, and is held to the same rules here: a runtime's frames separate their fields by NUL.
    /// </summary>
    /// <exception cref="GrpcException">A part is nothing that HTTP could say.</exception>
    public static Invocation Create(GrpcCall call, FunctionName function, string method, string path, string query, IEnumerable<KeyValuePair<string, string>> headers, ReadOnlyMemory<byte> body)
    {
        if (method.Length > MaxMethod || method.Length > 0 && !HeaderSyntax.IsToken(method)) throw Bad("the method is no HTTP method");
        if (path.Length > 0 && path[0] != '/' || IsNoTarget(path)) throw Bad("the path must begin with a slash and be percent-encoded");
        if (IsNoTarget(query)) throw Bad("the query must be percent-encoded");
        var isAsync = IsAsync(call);
        var isLong = body.Length > Invocation.MaxInlineBody;
        var sequence = new ReadOnlySequence<byte>(body);
        string? givenId = call.Metadata[CallIdKey];
        var callId = CallId.Accept(givenId);
        return new Invocation
        {
            Function = function,
            CallId = callId,
            HasOwnCallId = ReferenceEquals(callId, givenId),
            Method = method.Length == 0 ? HttpMethods.Post : method,
            Path = path.Length == 0 ? "/" : path,
            Query = query,
            Headers = Merge(Metadata.ToHeaders(call.Metadata), headers),
            Body = isLong ? default : sequence,
            BodyStream = isLong ? PipeReader.Create(sequence) : null,
            BodyLength = isLong ? body.Length : null,
            From = call.From,
            CallerTimeout = isAsync ? null : call.TimeLeft,
            CallerGone = isAsync ? default : call.CallerGone,
        };
    }

    /// <summary>Runs it.</summary>
    public ValueTask<Reply> InvokeAsync(Invocation invocation) => invoke(invocation);

    /// <summary>Hands an asynchronous call over and tells the caller its identity.</summary>
    /// <returns>Null when it is accepted.</returns>
    public async ValueTask<GrpcStatus?> AcceptAsync(GrpcCall call, Invocation invocation)
    {
        call.ResponseMetadata[CallIdKey] = invocation.CallId;
        using var refusal = await accept(invocation).ConfigureAwait(false);
        return refusal is null ? null : GrpcOutcome.Status(refusal);
    }

    /// <summary>The end of a call that the function did not answer.</summary>
    public static GrpcStatus Failed(GrpcCall call, Invocation invocation, Reply reply)
    {
        call.ResponseMetadata[CallIdKey] = invocation.CallId;
        return GrpcOutcome.Status(reply);
    }

    /// <summary>The end of a call of something that is no name.</summary>
    public static GrpcStatus NoName(string text) => new(GrpcStatusCode.NotFound, text.Length == 0
        ? "name a function; 'stint ls' lists what is deployed"
        : $"'{HttpError.Printable(text)}' is not a function's name: {FunctionName.Rule}");

    /// <summary>The whole body of an answer, in the reply's own buffer when it came in one piece.</summary>
    /// <exception cref="GrpcException">It is longer than a message may be.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync(GrpcCall call, Reply reply)
    {
        if (reply.Rest is not { } rest) return reply.Body;
        var whole = new ArrayBufferWriter<byte>(2 * Invocation.MaxInlineBody);
        whole.Write(reply.Body.Span);
        while (await rest.ReadAsync(call.Ended).ConfigureAwait(false) is { IsEmpty: false } piece)
        {
            if (whole.WrittenCount + piece.Length > maxMessage)
                throw new GrpcException(GrpcStatusCode.ResourceExhausted,
                    $"the function's answer is larger than {maxMessage / (1024 * 1024)} MiB, the limit of this daemon (--grpc-max-message); stint.v1.Functions/InvokeStream has none");
            whole.Write(piece.Span);
        }
        return whole.WrittenMemory;
    }

    private static HeaderList Merge(HeaderList headers, IEnumerable<KeyValuePair<string, string>> more)
    {
        foreach (var (name, value) in more)
        {
            if (!HeaderSyntax.IsToken(name)) throw Bad($"'{HttpError.Printable(name)}' is no name of a header");
            if (value.AsSpan().ContainsAny('\0', '\r', '\n')) throw Bad($"the value of the header {name} has a line break or a NUL in it");
            if (HeaderSyntax.IsHopByHop(name)) continue;
            var canonical = HeaderNames.Canonical(name);
            headers.RemoveAll(header => header.Key == canonical);
            headers.Add(canonical, value);
        }
        return headers;
    }

    // Visible ASCII: RFC 3986 has nothing else. Which of its characters belong encoded is between caller and function, as with HTTP.
    private static bool IsNoTarget(string text) => text.AsSpan().ContainsAnyExceptInRange('!', '~');

    private static GrpcException Bad(string message) => new(GrpcStatusCode.InvalidArgument, message);
}
