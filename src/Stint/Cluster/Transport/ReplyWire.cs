// An answer between machines. The status of HTTP says only whether there is one:
//
//   200   stint-outcome; of a function's own answer stint-status, its headers (f-NAME) and its body, streamed; else the error's text as the body
//         status 101: the body is what the function says from now on, the request's what its caller does (TunnelWire)
//   503   stint-refused: nothing of the call has run; why, as the body
//   400, 403, 404   the request is none of the conversation's
using System.Buffers;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Cluster.Transport;

/// <summary>Writes and reads answers.</summary>
internal static class ReplyWire
{
    // An error is a line or a few; what a broken machine sends beyond is not of interest.
    private const int MaxErrorBytes = 64 * 1024;

    // Nobody looks at what is read into it.
    private static readonly byte[] Beyond = new byte[1];

    private static readonly string[] Outcomes = Enum.GetNames<Outcome>();

    /// <summary>Writes an answer.</summary>
    /// <param name="context">The request's.</param>
    /// <param name="reply">The answer; the caller disposes of it.</param>
    /// <param name="load">What <see cref="NodeHeaders.Load"/> says.</param>
    public static async Task WriteAsync(IFeatureCollection context, Reply reply, string load)
    {
        var response = context.GetRequiredFeature<IHttpResponseFeature>();
        var output = context.GetRequiredFeature<IHttpResponseBodyFeature>();
        var headers = response.Headers;
        response.StatusCode = StatusCodes.Status200OK;
        headers[NodeHeaders.Protocol] = NodeHeaders.Version;
        headers[NodeHeaders.Outcome] = Outcomes[(int)reply.Outcome];
        headers[NodeHeaders.Load] = load;
        if (reply.RetryAfter is { } wait) headers[NodeHeaders.RetryAfter] = ((long)wait.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        if (reply.IsFunctionsOwnError) headers.Append(NodeHeaders.Flags, NodeHeaders.OwnError);
        if (reply.IsOverload) headers.Append(NodeHeaders.Flags, NodeHeaders.Overload);
        if (reply.Outcome != Outcome.Answered)
        {
            var error = Encoding.UTF8.GetBytes(reply.Error ?? "");
            if (error.Length > MaxErrorBytes) error = error[..MaxErrorBytes];
            headers.ContentLength = error.Length;
            await output.Writer.WriteAsync(error).ConfigureAwait(false);
            return;
        }
        headers[NodeHeaders.Status] = reply.Status.ToString(CultureInfo.InvariantCulture);
        if (reply.Length is { } length) headers[NodeHeaders.Length] = length.ToString(CultureInfo.InvariantCulture);
        foreach (var (name, value) in reply.Headers)
            if (reply.Tunnel is not null || !HeaderSyntax.IsHopByHop(name)) headers.Append(NodeHeaders.Prefix + name, value);
        if (reply.Tunnel is { } tunnel)
        {
            await TunnelWire.RunAsync(context, tunnel).ConfigureAwait(false);
            return;
        }
        if (reply.Rest is null)
        {
            headers.ContentLength = reply.Body.Length;
            // Not flushed: so head, body and end go out as one, and the gateway wakes up once.
            if (reply.Body.Length <= Invocation.MaxInlineBody) output.Writer.Write(reply.Body.Span);
            else await output.Writer.WriteAsync(reply.Body).ConfigureAwait(false);
            return;
        }
        var lifetime = context.GetRequiredFeature<IHttpRequestLifetimeFeature>();
        try
        {
            var aborted = lifetime.RequestAborted;
            if (reply.Body.IsEmpty) await output.Writer.FlushAsync(aborted).ConfigureAwait(false);
            else await output.Writer.WriteAsync(reply.Body, aborted).ConfigureAwait(false);
            while (await reply.Rest.ReadAsync(aborted).ConfigureAwait(false) is { IsEmpty: false } piece) await output.Writer.WriteAsync(piece, aborted).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            // RST_STREAM: what came is not the whole answer.
            lifetime.Abort();
        }
    }

    /// <summary>Says that nothing of the call has run.</summary>
    public static async Task RefuseAsync(IFeatureCollection context, string reason, string words, int status = StatusCodes.Status503ServiceUnavailable, string? load = null)
    {
        var response = context.GetRequiredFeature<IHttpResponseFeature>();
        response.StatusCode = status;
        response.Headers[NodeHeaders.Protocol] = NodeHeaders.Version;
        response.Headers[NodeHeaders.Refused] = reason;
        if (load is not null) response.Headers[NodeHeaders.Load] = load;
        var text = Encoding.UTF8.GetBytes(words);
        response.Headers.ContentLength = text.Length;
        await context.GetRequiredFeature<IHttpResponseBodyFeature>().Writer.WriteAsync(text).ConfigureAwait(false);
    }

    /// <summary>Reads an answer of status 200. The reply takes the response over.</summary>
    /// <param name="response">The answer, of which only the head has been read.</param>
    /// <param name="completion">Ends when nothing of the call's body is touched any more; null when that is so already.</param>
    /// <param name="node">The worker, for errors.</param>
    /// <param name="ended">Called once when the answer has been taken or given up.</param>
    /// <param name="cancellationToken">The caller has left, or the limit has passed.</param>
    /// <exception cref="HttpRequestException">The connection broke in the middle of a short answer.</exception>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static async ValueTask<Reply> ReadAsync(HttpResponseMessage response, Task<bool>? completion, string node, Action ended, CancellationToken cancellationToken)
    {
        var headers = response.Headers.NonValidated;
        if (!Enum.TryParse<Outcome>(One(headers, NodeHeaders.Outcome), out var outcome) || !Enum.IsDefined(outcome)) throw new InvalidDataException($"{node} says neither how the call ended nor why it did not run");
        var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var length = response.Content.Headers.ContentLength;
        if (outcome != Outcome.Answered)
        {
            var error = await TextAsync(body, cancellationToken).ConfigureAwait(false);
            response.Dispose();
            ended();
            TimeSpan? retryAfter = long.TryParse(One(headers, NodeHeaders.RetryAfter), NumberStyles.None, CultureInfo.InvariantCulture, out var wait) ? TimeSpan.FromMilliseconds(Math.Min(wait, 3_600_000)) : null;
            if (HasFlag(headers, NodeHeaders.OwnError)) return Reply.FunctionError(error);
            return HasFlag(headers, NodeHeaders.Overload) ? Reply.Overload(outcome, error, retryAfter ?? TimeSpan.FromSeconds(1)) : Reply.Failure(outcome, error, retryAfter, completion);
        }
        if (!int.TryParse(One(headers, NodeHeaders.Status), NumberStyles.None, CultureInfo.InvariantCulture, out var status) || status is < 200 or > 599) throw new InvalidDataException($"{node} sends the status '{One(headers, NodeHeaders.Status)}', which is none");
        var own = Headers(headers);
        long? announced = long.TryParse(One(headers, NodeHeaders.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var said) ? said : null;
        if (length > Invocation.MaxInlineBody || length is null)
            return Reply.Answer(status, own, default, rest: new RemoteReplyStream(response, body, node, ended), completion: completion, length: announced ?? length);
        if (length == 0)
        {
            response.Dispose();
            ended();
            return Reply.Answer(status, own, default, completion: completion, length: announced);
        }
        var rented = ArrayPool<byte>.Shared.Rent((int)length.Value);
        try
        {
            await body.ReadExactlyAsync(rented.AsMemory(0, (int)length.Value), cancellationToken).ConfigureAwait(false);
            // To its end: a stream that is left before is reset.
            if (await body.ReadAsync(Beyond, cancellationToken).ConfigureAwait(false) > 0) throw new InvalidDataException($"{node} sends more than it announced");
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(rented);
            throw;
        }
        response.Dispose();
        ended();
        return Reply.Answer(status, own, rented.AsMemory(0, (int)length.Value), rented, completion: completion, length: announced);
    }

    /// <summary>The function's headers.</summary>
    public static HeaderList Headers(HttpHeadersNonValidated headers)
    {
        var own = new HeaderList();
        foreach (var (name, values) in headers)
        {
            if (!name.StartsWith(NodeHeaders.Prefix, StringComparison.OrdinalIgnoreCase) || name.Length == NodeHeaders.Prefix.Length) continue;
            foreach (var value in values) own.Add(HeaderNames.Canonical(name[NodeHeaders.Prefix.Length..]), value);
        }
        return own;
    }

    /// <summary>The text of a short body.</summary>
    public static async Task<string> TextAsync(Stream body, CancellationToken cancellationToken)
    {
        var buffer = new byte[4096];
        var text = new ArrayBufferWriter<byte>();
        for (int read; text.WrittenCount < MaxErrorBytes && (read = await body.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;) text.Write(buffer.AsSpan(0, read));
        return Encoding.UTF8.GetString(text.WrittenSpan);
    }

    /// <summary>A header that occurs once; empty when it is not there.</summary>
    public static string One(HttpHeadersNonValidated headers, string name)
    {
        if (headers.TryGetValues(name, out var values))
            foreach (var value in values) return value;
        return "";
    }

    private static bool HasFlag(HttpHeadersNonValidated headers, string flag) => headers.TryGetValues(NodeHeaders.Flags, out var values) && values.Contains(flag);
}
