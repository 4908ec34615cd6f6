namespace Stint.Deliveries;

/// <summary>How a function's asynchronous calls are run.</summary>
internal sealed record AsyncPolicy
{
    /// <summary>How often a call is run again that the function itself failed: by an exception, a status of 429 or from 500 on, or its timeout.</summary>
    public int Retries { get; init; }

    /// <summary>The wait before the first of several tries; it doubles from one to the next.</summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Calls that are older are not tried again, whatever the reason.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromHours(24);

    /// <summary>One call after another, in the order in which they were accepted.</summary>
    public bool IsOrdered { get; init; }

    /// <summary>Otherwise: calls that run at a time.</summary>
    public int Concurrency { get; init; } = 1;
}

/// <summary>Settings of asynchronous calls that are the daemon's.</summary>
internal sealed record AsyncOptions
{
    /// <summary>Calls of all functions that run at a time.</summary>
    public int Concurrency { get; init; } = 64;

    /// <summary>Bytes of an answer that are kept for whoever wants it.</summary>
    public int MaxResult { get; init; } = 4 * 1024 * 1024;
}
