namespace Stint.EndToEnd.Fixtures;

/// <summary>Waits for what other processes do. The limit is only there to end a test that would otherwise hang; no test measures with it.</summary>
internal static class Retry
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    /// <summary>Returns when the condition holds.</summary>
    /// <exception cref="TimeoutException">It did not come true; the message is <paramref name="what"/>.</exception>
    public static Task UntilAsync(string what, Func<bool> condition) => UntilAsync(what, () => Task.FromResult(condition()));

    /// <summary>Returns when the condition holds, which may take longer than most.</summary>
    /// <exception cref="TimeoutException">It did not come true; the message is <paramref name="what"/>.</exception>
    public static Task UntilAsync(string what, Func<bool> condition, TimeSpan limit) => UntilAsync(what, () => Task.FromResult(condition()), limit);

    /// <summary>Returns when the condition holds. A connection that fails counts as "not yet".</summary>
    /// <exception cref="TimeoutException">It did not come true; the message is <paramref name="what"/>.</exception>
    public static Task UntilAsync(string what, Func<Task<bool>> condition) => UntilAsync(what, condition, Limit);

    /// <summary>Returns when the condition holds, which may take longer than most. A connection that fails counts as "not yet".</summary>
    /// <exception cref="TimeoutException">It did not come true; the message is <paramref name="what"/>.</exception>
    public static async Task UntilAsync(string what, Func<Task<bool>> condition, TimeSpan limit)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                if (await condition()) return;
            }
            catch (HttpRequestException) when (TimeProvider.System.GetElapsedTime(since) < limit)
            {
                // not yet
            }
            if (TimeProvider.System.GetElapsedTime(since) > limit) throw new TimeoutException($"waited in vain until {what}");
            await Task.Delay(Pause, TimeProvider.System);
        }
    }
}
