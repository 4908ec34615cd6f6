using Stint.Invocations;

namespace Stint.Cluster.Dispatch;

/// <summary>What became of a call that was sent to a worker.</summary>
internal enum CallFate
{
    /// <summary>The worker answered: the function's answer, or how it failed.</summary>
    Ended,

    /// <summary>The worker said that nothing has run, and why.</summary>
    Refused,

    /// <summary>It never reached the worker.</summary>
    NotSent,

    /// <summary>The way to the worker broke before an answer: it may have run, or run still.</summary>
    Lost,

    /// <summary>The caller has left, or its limit has passed.</summary>
    Cancelled,
}

/// <summary>One try of a call on one worker.</summary>
/// <param name="Fate">What became of it.</param>
/// <param name="Reply">The answer, when it ended.</param>
/// <param name="Reason">Of a refusal: which (<see cref="Transport.NodeHeaders.Refused"/>).</param>
/// <param name="Words">What went wrong.</param>
internal readonly record struct CallAttempt(CallFate Fate, Reply? Reply, string Reason, string Words)
{
    /// <summary>The worker has not asked for the body, which it must before it runs anything of the call.</summary>
    public bool HasNotBegun { get; init; }

    /// <summary>Some of a streamed body has been taken: nobody else can have it.</summary>
    public bool IsBodySpent { get; init; }
}

/// <summary>When a call may be tried on another worker. Pure.</summary>
internal static class CallRules
{
    /// <summary>Whether to run it twice does what running it once does (RFC 9110 section 9.2.2).</summary>
    public static bool IsIdempotent(string method) => method is "GET" or "HEAD" or "OPTIONS" or "TRACE" or "PUT" or "DELETE";

    /// <summary>
    /// Whether a call keeps its body until the worker has an instance for it and asks, so that a worker that dies before is known not to have run it. Not one that runs at once or not at all, nor one that may
    /// run twice. Nor one that only has to queue for a function whose calls take less than <see cref="Short"/>: its instance would stand idle while it asks, for longer than it works.
    /// </summary>
    /// <param name="invocation">The call.</param>
    /// <param name="typical">How long the function's calls take on that worker; null when that is not known.</param>
    public static bool IsKept(Invocation invocation, TimeSpan? typical) => invocation.Upgrade is null && !IsIdempotent(invocation.Method) && invocation.Wait switch
    {
        CallWait.Never => false,
        CallWait.ForStart => true,
        _ => typical is not { } usual || usual >= Short,
    };

    /// <summary>A round trip between machines is nothing beside longer calls.</summary>
    public static readonly TimeSpan Short = TimeSpan.FromMilliseconds(20);

    /// <summary>Whether a call that was lost may be sent again.</summary>
    public static bool MayRepeat(CallAttempt attempt, string method) => !attempt.IsBodySpent && attempt.Fate switch
    {
        CallFate.Refused or CallFate.NotSent => true,
        CallFate.Lost => attempt.HasNotBegun || IsIdempotent(method),
        _ => false,
    };

    /// <summary>Whether a pool's answer says that nothing has run and that another machine may do better: its queue is full, none of its instances became free or started, it has no backend.</summary>
    public static bool DidNotRun(Outcome outcome) => outcome is Outcome.Shed or Outcome.Unavailable or Outcome.NotImplemented or Outcome.NotFound;

    /// <summary>What an exception of <see cref="HttpMessageInvoker"/> says of the call.</summary>
    public static CallFate FateOf(Exception error) => error switch
    {
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError } => CallFate.NotSent,
        // REFUSED_STREAM, RFC 9113 section 8.7: nothing has been done.
        HttpRequestException { InnerException: System.Net.Http.HttpProtocolException { ErrorCode: 7 } } => CallFate.NotSent,
        // It left the cluster between the choice and the call.
        ObjectDisposedException => CallFate.NotSent,
        _ => CallFate.Lost,
    };
}
