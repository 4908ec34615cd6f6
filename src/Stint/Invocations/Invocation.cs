using System.Buffers;
using System.IO.Pipelines;
using System.Net;

namespace Stint.Invocations;

/// <summary>
/// One call of a function, in the platform's own words: what every ingress makes of a request, whatever the protocol.
/// Immutable once routed. Buffers referenced here belong to the ingress and stay valid until it has disposed of the <see cref="Reply"/>
/// or, when the reply has a <see cref="Reply.Completion"/>, until that has ended.
/// </summary>
internal sealed class Invocation
{
    /// <summary>The function to call.</summary>
    public required FunctionName Function { get; init; }

    /// <summary>The identity of the call: the caller's <c>X-Call-Id</c> or a fresh one.</summary>
    public required string CallId { get; init; }

    /// <summary>The caller chose <see cref="CallId"/>, and may use it again for the same call: an asynchronous one is not run a second time then.</summary>
    public bool HasOwnCallId { get; init; }

    /// <summary>HTTP method, or the protocol's nearest equivalent.</summary>
    public string Method { get; init; } = "POST";

    /// <summary>What followed the function's name, still percent-encoded, with its leading slash; <c>/</c> when nothing did.</summary>
    public string Path { get; init; } = "/";

    /// <summary>The query without its question mark, as received; empty when there is none.</summary>
    public string Query { get; init; } = "";

    /// <summary>The headers that the function sees.</summary>
    public HeaderList Headers { get; init; } = HeaderList.None;

    /// <summary>The whole body, when <see cref="BodyStream"/> is null. With <see cref="Starting"/>, only after that.</summary>
    public ReadOnlySequence<byte> Body { get; set; }

    /// <summary>The body, when it is too large to be held (over <see cref="MaxInlineBody"/>): read once, to its end.</summary>
    public PipeReader? BodyStream { get; init; }

    /// <summary>Bytes of <see cref="BodyStream"/>, when they are known before it has been read; it is held to them.</summary>
    public long? BodyLength { get; init; }

    /// <summary>
    /// The protocol that the caller wants to change to (RFC 9110 section 7.8), <c>websocket</c> as a rule; null when it does not ask, or over a protocol that cannot. A function may refuse by
    /// answering as usual; what runs it may be unable to, and then pays no heed.
    /// </summary>
    public string? Upgrade { get; init; }

    /// <summary>The scheduling script that the caller names, for a cluster's choice of a worker; null = none.</summary>
    public string? Script { get; init; }

    /// <summary>The address that the call came from; null when its transport has none. Behind a proxy it is the proxy's. IPv4 may come mapped into IPv6.</summary>
    public IPAddress? From { get; init; }

    /// <summary>Whether <see cref="From"/> is a proxy whose word on the caller (<c>Forwarded</c>, <c>X-Forwarded-For</c> …) the operator trusts; other callers' is not passed on.</summary>
    public bool IsFromTrustedProxy { get; init; }

    /// <summary>The scheme of the URL that was called, <c>http</c> or <c>coap</c>.</summary>
    public string Scheme { get; init; } = "http";

    /// <summary>The caller's own limit on the call's duration, when it is shorter than the function's.</summary>
    public TimeSpan? CallerTimeout { get; init; }

    /// <summary>What the call may wait for where it is tried: set before each try by whoever chooses among machines. It says nothing of a wait that has begun.</summary>
    public CallWait Wait { get; set; }

    /// <summary>Whether an answer says that the call would have had to wait for longer than <see cref="Wait"/> allows: it has not run, nobody has shed it, and another machine can be asked.</summary>
    public bool IsDeclined(Reply answer) => Wait != CallWait.InQueue && answer.Outcome == Outcome.Shed;

    /// <summary>
    /// Asked when the call has an instance, before anything of it runs: the sender learns that it begins, and gives <see cref="Body"/>. When it throws, the sender is gone and the call does not run.
    /// Null: nobody wants to know.
    /// </summary>
    public Func<CancellationToken, ValueTask>? Starting { get; init; }

    /// <summary>Fires when the caller has left; never for an asynchronous call.</summary>
    public CancellationToken CallerGone { get; init; }

    /// <summary>Bodies up to this many bytes are carried whole; larger ones are streamed.</summary>
    public const int MaxInlineBody = 64 * 1024;
}
