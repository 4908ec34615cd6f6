// A call between machines: one request over HTTP/2.
//
//   POST /invoke
//   stint-function, -change, -hash, -secrets     which version, so that a worker that lacks it can fetch it before it takes the body
//   stint-method, -path, -query, -call-id, -left, -from, -scheme, -flags, -wait
//   f-NAME                                       the headers that the function sees
//   expect: 100-continue                         the body is kept until the call has an instance; before 100 (Continue) nothing of it has run. Of bodies over 64 KiB, and of calls that may have to wait and must not run twice
//   body                                         streamed
//
// One whose caller wants to change to another protocol goes elsewhere, and its body is another thing: TunnelWire.
//
// The method is always POST and the target always the same: nothing of a caller's is left to the rules of HTTP between machines. What comes in is checked as a caller's request is: a worker trusts that a
// gateway may call, not that it is free of mistakes.
using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Cluster.Transport;

/// <summary>Which version of a function a call is for.</summary>
/// <param name="Hash">SHA3-256 of its folder, lower-case hex.</param>
/// <param name="Change">The number of the store's change that brought it.</param>
/// <param name="Secrets">The number of the last change of a secret that it names; 0 = none.</param>
internal readonly record struct CodeVersion(string Hash, long Change, long Secrets)
{
    /// <summary>Whether a text can be a hash.</summary>
    public static bool IsHash(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigitLower);
}

/// <summary>Writes and reads calls.</summary>
internal static class CallWire
{
    /// <summary>Where calls go.</summary>
    public const string Target = "/invoke";

    /// <summary>A call as a request.</summary>
    /// <param name="target">The worker's <see cref="Target"/>.</param>
    /// <param name="invocation">The call.</param>
    /// <param name="code">Which version.</param>
    /// <param name="left">What remains of the caller's own limit; null = it has none.</param>
    /// <param name="isKept">Whether the worker has to ask for the body, even if there is none, when it begins to run the call. A streamed one always is.</param>
    public static HttpRequestMessage Write(Uri target, Invocation invocation, CodeVersion code, TimeSpan? left, bool isKept)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, target) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        var headers = request.Headers;
        Add(NodeHeaders.Protocol, NodeHeaders.Version);
        Add(NodeHeaders.Function, invocation.Function.ToString());
        Add(NodeHeaders.Change, code.Change.ToString(CultureInfo.InvariantCulture));
        Add(NodeHeaders.Hash, code.Hash);
        if (code.Secrets != 0) Add(NodeHeaders.Secrets, code.Secrets.ToString(CultureInfo.InvariantCulture));
        Add(NodeHeaders.Method, invocation.Method);
        if (invocation.Path != "/") Add(NodeHeaders.Path, invocation.Path);
        if (invocation.Query.Length > 0) Add(NodeHeaders.Query, invocation.Query);
        Add(NodeHeaders.CallId, invocation.CallId);
        if (left is { } remaining) Add(NodeHeaders.Left, Math.Clamp((long)remaining.TotalMilliseconds, 1, uint.MaxValue).ToString(CultureInfo.InvariantCulture));
        if (invocation.From is { } from) Add(NodeHeaders.From, from.ToString());
        if (invocation.Scheme != "http") Add(NodeHeaders.Scheme, invocation.Scheme);
        if (invocation.HasOwnCallId) Add(NodeHeaders.Flags, NodeHeaders.OwnCallId);
        if (invocation.IsFromTrustedProxy) Add(NodeHeaders.Flags, NodeHeaders.TrustedProxy);
        foreach (var (name, value) in invocation.Headers) headers.TryAddWithoutValidation(NodeHeaders.Prefix + name, value);
        if (invocation.Wait != CallWait.InQueue) Add(NodeHeaders.Wait, invocation.Wait == CallWait.Never ? NodeHeaders.NoWait : NodeHeaders.StartOnly);
        if (invocation.Upgrade is { } upgrade)
        {
            request.RequestUri = new Uri(target, TunnelWire.Target);
            Add(NodeHeaders.Upgrade, upgrade);
            request.Content = new TunnelContent();
            return request;
        }
        if (isKept || invocation.BodyStream is not null || !invocation.Body.IsEmpty) request.Content = new InvocationContent(invocation);
        if (isKept || invocation.BodyStream is not null) headers.ExpectContinue = true;
        return request;

        void Add(string name, string value) => headers.TryAddWithoutValidation(name, value);
    }

    /// <summary>Reads for which version a call is: all that is needed before its body is taken.</summary>
    /// <exception cref="NodeProtocolException">It does not say, or says nonsense.</exception>
    public static FunctionName ReadVersion(IHeaderDictionary headers, out CodeVersion code)
    {
        if (!FunctionName.TryParse(headers[NodeHeaders.Function], out var function)) throw new NodeProtocolException($"{NodeHeaders.Function} is no function's name: {FunctionName.Rule}");
        if (headers[NodeHeaders.Hash] is not [{ } hash] || !CodeVersion.IsHash(hash)) throw new NodeProtocolException($"{NodeHeaders.Hash} is no hash");
        code = new CodeVersion(hash, Number(headers, NodeHeaders.Change, null, long.MaxValue), Number(headers, NodeHeaders.Secrets, 0, long.MaxValue));
        return function;
    }

    /// <summary>Whether the gateway keeps the body until it is asked for.</summary>
    public static bool IsKept(IHeaderDictionary headers) => headers.Expect is [{ } expectation] && expectation.Equals("100-continue", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads a call.</summary>
    /// <param name="headers">The head.</param>
    /// <param name="function">Of <see cref="ReadVersion"/>.</param>
    /// <param name="whole">The body, when it is held.</param>
    /// <param name="stream">The body, when it is streamed.</param>
    /// <param name="starting">Asks for a body that is kept.</param>
    /// <param name="waited">How long ago the call came to this machine: it counts against the caller's limit.</param>
    /// <param name="callerGone">Fires when the call is given up.</param>
    /// <exception cref="NodeProtocolException">It is none.</exception>
    public static Invocation Read(IHeaderDictionary headers, FunctionName function, ReadOnlySequence<byte> whole, PipeReader? stream, Func<CancellationToken, ValueTask>? starting, TimeSpan waited, CancellationToken callerGone)
    {
        var method = headers[NodeHeaders.Method].ToString();
        if (!HeaderSyntax.IsToken(method)) throw new NodeProtocolException($"{NodeHeaders.Method} is no method");
        var (path, query) = (Text(headers, NodeHeaders.Path, "/"), Text(headers, NodeHeaders.Query, ""));
        if (path[0] != '/' || !HeaderSyntax.IsValue(path) || !HeaderSyntax.IsValue(query)) throw new NodeProtocolException($"{NodeHeaders.Path} or {NodeHeaders.Query} is none");
        TimeSpan? left = headers.ContainsKey(NodeHeaders.Left) ? TimeSpan.FromMilliseconds(Number(headers, NodeHeaders.Left, null, uint.MaxValue)) - waited : null;
        IPAddress? from = null;
        if (Text(headers, NodeHeaders.From, "") is { Length: > 0 } address && !IPAddress.TryParse(address, out from)) throw new NodeProtocolException($"{NodeHeaders.From} is no address");
        // HttpClient joins what it is given one by one.
        var flags = headers[NodeHeaders.Flags].ToString().Split(',', StringSplitOptions.TrimEntries);
        return new Invocation
        {
            Function = function,
            CallId = CallId.Accept(headers[NodeHeaders.CallId]),
            HasOwnCallId = flags.Contains(NodeHeaders.OwnCallId),
            Method = method,
            Path = path,
            Query = query,
            Headers = Headers(headers),
            Body = whole,
            BodyStream = stream,
            BodyLength = stream is null ? null : headers.ContentLength,
            From = from,
            IsFromTrustedProxy = flags.Contains(NodeHeaders.TrustedProxy),
            Scheme = Text(headers, NodeHeaders.Scheme, "http") is "coap" ? "coap" : "http",
            Upgrade = Text(headers, NodeHeaders.Upgrade, "") is { Length: > 0 } upgrade ? upgrade : null,
            CallerTimeout = left,
            Wait = Text(headers, NodeHeaders.Wait, "") switch { NodeHeaders.NoWait => CallWait.Never, NodeHeaders.StartOnly => CallWait.ForStart, _ => CallWait.InQueue },
            Starting = starting,
            CallerGone = callerGone,
        };
    }

    private static string Text(IHeaderDictionary headers, string name, string absent) => headers[name] is [{ Length: > 0 } value, ..] ? value : absent;

    private static long Number(IHeaderDictionary headers, string name, long? absent, long most)
    {
        if (headers[name] is not [{ } text, ..]) return absent ?? throw new NodeProtocolException($"{name} is missing");
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= most ? number : throw new NodeProtocolException($"{name} is no number, or too large");
    }

    private static HeaderList Headers(IHeaderDictionary source)
    {
        var headers = new HeaderList();
        foreach (var (name, values) in source)
        {
            if (!name.StartsWith(NodeHeaders.Prefix, StringComparison.OrdinalIgnoreCase) || name.Length == NodeHeaders.Prefix.Length) continue;
            var own = HeaderNames.Canonical(name[NodeHeaders.Prefix.Length..]);
            if (!HeaderSyntax.IsHopByHop(own)) headers.Add(own, values.ToString());
        }
        return headers;
    }
}
