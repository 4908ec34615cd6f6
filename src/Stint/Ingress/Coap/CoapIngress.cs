// A datagram's way: Stint.Coap puts the request together (blocks, duplicates, tokens) and calls HandleAsync once; here it becomes an invocation, and the reply a response.
//
//   Uri-Path     /NAME[.MODULE][/sub/path]        Uri-Query    the query, percent-encoded again
//   method       GET, POST, PUT, DELETE, FETCH    payload      the body
//   Content-Format, Accept ⇄ Content-Type, Accept as media types
//   No-Response for everything, or ?stint-async: an asynchronous call, 2.01
using System.Buffers;
using Stint.Coap;
using Stint.Coap.Discovery;
using Stint.Coap.Messages;
using Stint.Coap.Observing;
using Stint.Deliveries;
using Stint.Invocations;

namespace Stint.Ingress.Coap;

/// <summary>Serves functions as CoAP resources.</summary>
/// <param name="invoke">Runs a call.</param>
/// <param name="asyncCalls">Takes over calls whose answers nobody waits for.</param>
/// <param name="functions">What is deployed: for discovery, and how each may be observed.</param>
/// <param name="maxAnswer">The largest answer that is put together for sending in blocks, bytes.</param>
internal sealed class CoapIngress(
    Func<Invocation, ValueTask<Reply>> invoke, AsyncCalls asyncCalls, Func<IEnumerable<CoapFunction>> functions, long maxAnswer) : ICoapResources
{
    /// <summary>The query part that asks for an asynchronous call; functions do not see it.</summary>
    public const string AsyncQuery = "stint-async";

    // What the wildcard and unlisted text types become: tinyFaaS's clients expect format 0.
    private const string TextPrefix = "text/";

    /// <inheritdoc/>
    public IEnumerable<CoapLink> Links => functions().Select(static function => new CoapLink
    {
        Path = $"/{function.Name}",
        ResourceTypes = ["stint.function"],
        IsObservable = function.ObserveEvery is not null,
    });

    /// <inheritdoc/>
    public async ValueTask<CoapResponse> HandleAsync(CoapRequest request, CancellationToken cancellationToken)
    {
        if (!TryGetFunction(request, out var function)) return NoSuchFunction(request);
        if (MethodName(request.Method) is not { } method) return CoapResponse.Error(CoapCode.MethodNotAllowed, "a function is called with GET, POST, PUT, DELETE or FETCH");
        var isAsync = request.WantsNoAnswer || request.Query.Any(IsAsyncPart);
        var invocation = new Invocation
        {
            Function = function,
            CallId = CallId.Next(),
            Method = method,
            Path = SubPath(request),
            Query = Query(request),
            Headers = Headers(request),
            Body = new ReadOnlySequence<byte>(request.Payload),
            CallerGone = isAsync ? default : cancellationToken,
            From = request.Source.Address,
            Scheme = "coap",
        };
        if (isAsync)
        {
            using var refusal = await asyncCalls.AcceptAsync(invocation).ConfigureAwait(false);
            return refusal is null ? new CoapResponse { Code = CoapCode.Created } : Failure(refusal);
        }
        using var reply = await invoke(invocation).ConfigureAwait(false);
        return reply.Outcome == Outcome.Answered ? await AnswerAsync(request, reply, cancellationToken).ConfigureAwait(false) : Failure(reply);
    }

    /// <inheritdoc/>
    public CoapResponse? RefuseUpload(CoapRequest firstBlock) =>
        TryGetFunction(firstBlock, out var function) && functions().Any(known => known.Name == function) ? null : NoSuchFunction(firstBlock);

    /// <inheritdoc/>
    public Observation? Observe(CoapRequest request)
    {
        if (!TryGetFunction(request, out var function)) return null;
        return functions().FirstOrDefault(known => known.Name == function)?.ObserveEvery is { } every
            ? new Observation { Interval = every == Timeout.InfiniteTimeSpan ? null : every }
            : null;
    }

    /// <summary>Whether a request is for that function, whatever its sub-path: for those whose observers are to be told.</summary>
    public static bool Concerns(CoapRequest request, FunctionName function) => TryGetFunction(request, out var asked) && asked == function;

    private static bool TryGetFunction(CoapRequest request, out FunctionName function)
    {
        function = default;
        return request.PathSegments is [var name, ..] && FunctionName.TryParse(name, out function);
    }

    private static CoapResponse NoSuchFunction(CoapRequest request) => CoapResponse.Error(CoapCode.NotFound, request.PathSegments.Count == 0
        ? "name a function in the path; /.well-known/core lists them"
        : "no such function; /.well-known/core lists them");

    private static string? MethodName(CoapCode method) =>
        method == CoapCode.Get ? "GET" : method == CoapCode.Post ? "POST" : method == CoapCode.Put ? "PUT" : method == CoapCode.Delete ? "DELETE" : method == CoapCode.Fetch ? "FETCH" : null;

    private static string SubPath(CoapRequest request) =>
        request.PathSegments.Count == 1 ? "/" : string.Concat(request.PathSegments.Skip(1).Select(static segment => "/" + Uri.EscapeDataString(segment)));

    private static string Query(CoapRequest request) =>
        request.Query.Count == 0 ? "" : string.Join('&', request.Query.Where(static part => !IsAsyncPart(part)).Select(Encoded));

    private static bool IsAsyncPart(string part) => part == AsyncQuery || part.StartsWith(AsyncQuery + "=", StringComparison.Ordinal);

    private static string Encoded(string part)
    {
        var equals = part.IndexOf('=', StringComparison.Ordinal);
        return equals < 0 ? Uri.EscapeDataString(part) : $"{Uri.EscapeDataString(part[..equals])}={Uri.EscapeDataString(part[(equals + 1)..])}";
    }

    private static HeaderList Headers(CoapRequest request)
    {
        var headers = new HeaderList();
        if (request.ContentFormat is { } format) headers.Add("Content-Type", ContentFormats.ToMediaType(format));
        if (request.Accept is { } accept) headers.Add("Accept", ContentFormats.ToMediaType(accept));
        return headers;
    }

    private async ValueTask<CoapResponse> AnswerAsync(CoapRequest request, Reply reply, CancellationToken cancellationToken)
    {
        var body = await ReadAllAsync(reply, cancellationToken).ConfigureAwait(false);
        if (body is null) return CoapResponse.Error(CoapCode.BadGateway, $"the answer is larger than {maxAnswer} bytes or broke off");
        var code = CoapOutcome.OfStatus(reply.Status, request.Method);
        return code.Class == 2
            ? new CoapResponse { Code = code, Payload = body, ContentFormat = body.Length == 0 ? null : Format(reply) }
            : new CoapResponse { Code = code, Payload = body };
    }

    private static int Format(Reply reply)
    {
        if (!reply.Headers.TryGet("Content-Type", out var type)) return ContentFormats.TextPlain;
        return ContentFormats.FromMediaType(type) ?? (type.StartsWith(TextPrefix, StringComparison.OrdinalIgnoreCase) ? ContentFormats.TextPlain : ContentFormats.OctetStream);
    }

    // The library cuts an answer into blocks that the client fetches one by one, so it has to be whole first.
    private async ValueTask<byte[]?> ReadAllAsync(Reply reply, CancellationToken cancellationToken)
    {
        if (reply.Rest is not { } rest) return reply.Body.ToArray();
        using var whole = new MemoryStream();
        whole.Write(reply.Body.Span);
        try
        {
            while (await rest.ReadAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
            {
                if (whole.Length + piece.Length > maxAnswer) return null;
                whole.Write(piece.Span);
            }
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            return null;
        }
        return whole.ToArray();
    }

    private static CoapResponse Failure(Reply reply) => CoapResponse.Error(CoapOutcome.Code(reply.Outcome), reply.Error ?? "") with
    {
        MaxAge = reply.RetryAfter is { } wait ? (uint)Math.Max(1, Math.Ceiling(wait.TotalSeconds)) : null,
    };
}

/// <summary>A function as discovery shows it.</summary>
/// <param name="Name">The function.</param>
/// <param name="ObserveEvery">How often observers get a fresh answer; <see cref="Timeout.InfiniteTimeSpan"/> = only when told; null = it may not be observed.</param>
internal sealed record CoapFunction(FunctionName Name, TimeSpan? ObserveEvery);
