// A request's way (numbers as in the code):
//
//   1. the target names the function; headers become the function's, spelt canonically, without those of the connection; X-Timeout is the caller's own limit
//   2. the body: none; up to 64 KiB held as Kestrel received it; longer ones stay in the connection and are streamed
//   3. X-tinyFaaS-Async, or a target for it: the call is taken over by Deliveries, 202
//   4. the router runs it; the reply is written: small ones in one go, long ones piece by piece as the client takes them, or the connection leaves HTTP (WebSocket)
//   5. what is not an answer becomes an error as the dialect has them (docs/errors.md)
//
// This is Kestrel without ASP.NET's pipeline: no HttpContext, no routing, no middleware is made for a call, which is worth a tenth of the throughput (bench/).
using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Stint.Deliveries;
using Stint.Invocations;

namespace Stint.Ingress.Http;

/// <summary>Turns HTTP requests into invocations and replies into HTTP responses.</summary>
/// <param name="dialect">What differs between endpoints.</param>
/// <param name="invoke">The router.</param>
/// <param name="asyncCalls">Takes over calls whose callers do not wait.</param>
/// <param name="maxBody">The largest request body, bytes.</param>
/// <param name="trustedProxies">Whose word on the caller is passed on.</param>
internal sealed class HttpIngress(
    IHttpDialect dialect, Func<Invocation, ValueTask<Reply>> invoke, AsyncCalls asyncCalls, long maxBody, TrustedProxies trustedProxies) : IHttpApplication<IFeatureCollection>
{
    private const string AsyncHeader = "X-tinyFaaS-Async";
    private const string CallIdHeader = "X-Call-Id";

    /// <inheritdoc/>
    public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

    /// <inheritdoc/>
    public void DisposeContext(IFeatureCollection context, Exception? exception) { }

    /// <inheritdoc/>
    public async Task ProcessRequestAsync(IFeatureCollection context)
    {
        var request = context.GetRequiredFeature<IHttpRequestFeature>();
        var response = context.GetRequiredFeature<IHttpResponseFeature>();
        var output = context.GetRequiredFeature<IHttpResponseBodyFeature>();

        // 1.
        var target = dialect.Parse(RequestTarget.Origin(request.RawTarget, request.Path, request.QueryString));
        if (!target.TryGetFunction(out var function))
        {
            await dialect.WriteErrorAsync(request, response, output, Reply.Failure(Outcome.NotFound, target.Name.Length == 0
                ? dialect.Usage
                : $"'{HttpError.Printable(target.Name)}' is not a function's name: {FunctionName.Rule}"), null).ConfigureAwait(false);
            return;
        }
        var headers = ReadHeaders(request.Headers);
        var upgrade = UpgradeRequest.Of(context, request);
        TimeSpan? callerTimeout = null;
        if (request.Headers.TryGetValue(CallerLimit.Header, out var limits))
        {
            if (!CallerLimit.TryParse(limits.ToString(), out var limit))
            {
                using var refusal = Reply.Failure(Outcome.BadRequest, $"{CallerLimit.Header} is '{HttpError.Printable(limits.ToString())}'; it must be {CallerLimit.Rule}");
                await dialect.WriteErrorAsync(request, response, output, refusal, null).ConfigureAwait(false);
                return;
            }
            callerTimeout = limit;
        }

        // 2.
        var body = upgrade is null ? await ReadBodyAsync(context, request.Headers.ContentLength).ConfigureAwait(false) : default;
        if (body.Failure is not null)
        {
            using var failure = body.Failure;
            await dialect.WriteErrorAsync(request, response, output, failure, null).ConfigureAwait(false);
            return;
        }
        upgrade?.Complete(headers);
        var isAsync = target.IsAsync || request.Headers.ContainsKey(AsyncHeader);
        var from = context.Get<IHttpConnectionFeature>()?.RemoteIpAddress;
        string? givenId = request.Headers[CallIdHeader];
        var callId = CallId.Accept(givenId);
        var invocation = new Invocation
        {
            Function = function,
            CallId = callId,
            HasOwnCallId = ReferenceEquals(callId, givenId),
            Method = upgrade?.Method ?? request.Method,
            Path = target.Path,
            Query = target.Query,
            Headers = headers,
            Body = body.Whole,
            BodyStream = body.Rest,
            BodyLength = body.Rest is null ? null : request.Headers.ContentLength,
            Upgrade = upgrade?.Protocol,
            From = from,
            IsFromTrustedProxy = trustedProxies.Contains(from),
            CallerTimeout = isAsync ? null : callerTimeout,
            CallerGone = isAsync ? default : context.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted,
        };

        dialect.Sign(headers, response.Headers, invocation.CallId);

        // 3.
        if (isAsync)
        {
            using var refusal = await asyncCalls.AcceptAsync(invocation).ConfigureAwait(false);
            body.Release();
            response.Headers[CallIdHeader] = invocation.CallId;
            if (refusal is null)
            {
                response.StatusCode = StatusCodes.Status202Accepted;
                response.Headers.ContentLength = 0;
            }
            else
            {
                await dialect.WriteErrorAsync(request, response, output, refusal, invocation.CallId).ConfigureAwait(false);
            }
            return;
        }

        // 4.
        using var reply = await invoke(invocation).ConfigureAwait(false);
        if (reply.Tunnel is { } tunnel) await upgrade!.RunAsync(context, response, reply.Headers, tunnel).ConfigureAwait(false);
        else if (upgrade is { NeedsTunnel: true } && reply is { Outcome: Outcome.Answered, Status: < 300 })
        {
            using var refusal = Reply.Failure(Outcome.NotImplemented, $"{function} does not speak {HttpError.Printable(upgrade.Protocol)}: it answered as if it had not been asked");
            await dialect.WriteErrorAsync(request, response, output, refusal, invocation.CallId).ConfigureAwait(false);
        }
        else if (reply.Outcome == Outcome.Answered) await WriteAsync(context, request, response, output, reply).ConfigureAwait(false);
        // 5.
        else if (reply.Outcome != Outcome.Cancelled) await dialect.WriteErrorAsync(request, response, output, reply, invocation.CallId).ConfigureAwait(false);

        // The instance may still be reading the request's body.
        if (invocation.BodyStream is not null && reply.Completion is { } completion) await completion.ConfigureAwait(false);
        body.Release();
    }

    private static HeaderList ReadHeaders(IHeaderDictionary source)
    {
        var headers = new HeaderList();
        // RFC 9110 section 7.6.1: what it names is the connection's too. Nearly always it names nothing that is not so anyway.
        string? connection = source.Connection;
        if (connection is "keep-alive" or "close" or "Upgrade") connection = null;
        foreach (var (name, values) in source)
        {
            if (HeaderSyntax.IsHopByHop(name) || connection is not null && HeaderSyntax.IsNamedBy(connection, name)) continue;
            headers.Add(HeaderNames.Canonical(name), values.Count == 1 ? values[0] ?? "" : Join(name, values));
        }
        return headers;
    }

    // RFC 9110 section 5.3; cookies are the exception (RFC 6265 section 5.4).
    private static string Join(string name, StringValues values) =>
        string.Join(name.Equals("Cookie", StringComparison.OrdinalIgnoreCase) ? "; " : ", ", (IEnumerable<string?>)values);

    private async ValueTask<RequestBody> ReadBodyAsync(IFeatureCollection context, long? length)
    {
        if (length > maxBody) return new() { Failure = Reply.Failure(Outcome.TooLarge, LimitedBodyReader.TooLarge(maxBody).Message) };
        if (length == 0 || context.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false }) return default;
        var reader = context.GetRequiredFeature<IRequestBodyPipeFeature>().Reader;
        if (length > Invocation.MaxInlineBody) return new() { Rest = new LimitedBodyReader(reader, maxBody) };
        try
        {
            for (var examined = 0L; ;)
            {
                var read = await reader.ReadAsync().ConfigureAwait(false);
                if (read.Buffer.Length > Invocation.MaxInlineBody)
                {
                    // Nothing is consumed, and what came last stays unexamined, so that the next read has it at once. A pipe does not let us un-examine what came before.
                    reader.AdvanceTo(read.Buffer.Start, read.Buffer.GetPosition(examined));
                    return new() { Rest = new LimitedBodyReader(reader, maxBody) };
                }
                if (read.IsCompleted) return new() { Whole = read.Buffer, Reader = reader };
                examined = read.Buffer.Length;
                reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            }
        }
        catch (Exception failure) when (failure is IOException or BadHttpRequestException or OperationCanceledException)
        {
            return new() { Failure = Reply.Failure(Outcome.BadRequest, $"the request's body could not be read: {failure.Message}") };
        }
    }

    private async ValueTask WriteAsync(IFeatureCollection context, IHttpRequestFeature request, IHttpResponseFeature response, IHttpResponseBodyFeature output, Reply reply)
    {
        response.StatusCode = reply.Status;
        var isSigned = response.Headers.Count > 0;
        foreach (var (name, value) in reply.Headers)
        {
            if (HeaderSyntax.IsHopByHop(name) || name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase) || isSigned && dialect.Signs(name)) continue;
            response.Headers.Append(name, value);
        }
        dialect.Complete(request, response);
        // RFC 9110 sections 15.3.5 and 15.4.5: no content, and no length of one.
        if (reply.Status is 204 or 304) return;
        if (reply.Rest is null)
        {
            // The answer to HEAD says the length that GET's would have, or nothing.
            if (!HttpMethods.IsHead(request.Method) || !reply.Body.IsEmpty) response.Headers.ContentLength = reply.Body.Length;
            else if (reply.Length is { } announced) response.Headers.ContentLength = announced;
            if (!reply.Body.IsEmpty) await output.Writer.WriteAsync(reply.Body).ConfigureAwait(false);
            return;
        }
        try
        {
            var aborted = context.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted;
            if (reply.Length is { } length) response.Headers.ContentLength = length;
            // A head whose body begins later goes out now: it may be all that the caller waits for.
            if (reply.Body.IsEmpty) await output.Writer.FlushAsync(aborted).ConfigureAwait(false);
            else await output.Writer.WriteAsync(reply.Body, aborted).ConfigureAwait(false);
            // To HEAD the head is the whole answer: the caller's next request may be on its way already, and must neither wait for what nobody is sent nor be lost if that breaks off.
            if (HttpMethods.IsHead(request.Method)) return;
            while (await reply.Rest.ReadAsync(aborted).ConfigureAwait(false) is { IsEmpty: false } piece) await output.Writer.WriteAsync(piece, aborted).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            // The head is out: all that is left to say "this is not the whole answer" is to break the connection off.
            context.GetRequiredFeature<IHttpRequestLifetimeFeature>().Abort();
        }
    }

    /// <summary>A request's body: held, to be streamed, or unusable.</summary>
    private readonly record struct RequestBody
    {
        public ReadOnlySequence<byte> Whole { get; init; }

        public PipeReader? Reader { get; init; }

        public PipeReader? Rest { get; init; }

        public Reply? Failure { get; init; }

        public void Release() => Reader?.AdvanceTo(Whole.End);
    }
}
