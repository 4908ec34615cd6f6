namespace Stint.Deliveries;

/// <summary>How long to wait before another try: exponential, with jitter so that what failed together does not come back together.</summary>
internal static class RetryDelay
{
    /// <summary>The longest wait that doubling leads to.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    /// <summary>The wait after a number of failures in a row.</summary>
    /// <param name="first">The wait after one failure.</param>
    /// <param name="failures">1 and more.</param>
    /// <param name="random">From 0 to 1; half of the wait is up to it.</param>
    /// <param name="asked">What the other side asked for: waited at least.</param>
    public static TimeSpan After(TimeSpan first, int failures, double random, TimeSpan? asked = null)
    {
        // 2^30 of anything is beyond the longest wait; more would overflow.
        var doubled = Math.Min(first.TotalSeconds * Math.Pow(2, Math.Clamp(failures - 1, 0, 30)), Math.Max(Longest.TotalSeconds, first.TotalSeconds));
        var wait = TimeSpan.FromSeconds(doubled * (0.5 + 0.5 * random));
        return asked is { } least && least > wait ? least : wait;
    }
}
