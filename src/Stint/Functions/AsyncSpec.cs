namespace Stint.Functions;

/// <summary><c>[async]</c>: how asynchronous calls are run. What is null is as the daemon's options say.</summary>
internal sealed record AsyncSpec
{
    /// <summary><c>retries</c>: how often a call is run again that the function itself failed.</summary>
    public int? Retries { get; init; }

    /// <summary><c>backoff</c> (seconds): the wait before the second try; it doubles.</summary>
    public TimeSpan? Backoff { get; init; }

    /// <summary><c>max-age</c> (seconds): older calls are not tried again.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary><c>ordered</c>: one after another, in the order in which they were accepted.</summary>
    public bool IsOrdered { get; init; }

    /// <summary><c>concurrency</c>: calls that run at a time.</summary>
    public int? Concurrency { get; init; }
}
