namespace Stint.Pools;

/// <summary>
/// The one timer of a pool: queue limits, keep-alives, backoff and a deployment's patience all ring it. Guarded by its owner's lock, except that it rings outside.
/// It is only ever moved to an earlier moment; ringing too early is harmless, and so a warm call never touches a timer.
/// </summary>
internal sealed class PoolAlarm : IDisposable
{
    /// <summary>What is due within this is due: timers have a resolution of a millisecond, and timestamps round.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromMicroseconds(500);

    private readonly ITimer _timer;
    private TimeSpan _at = TimeSpan.MaxValue;

    /// <param name="time">The clock.</param>
    /// <param name="ring">Called without any lock; it must call <see cref="Rang"/> first.</param>
    public PoolAlarm(TimeProvider time, Action ring) =>
        _timer = time.CreateTimer(static state => ((Action)state!)(), ring, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>Whether what was set for <paramref name="at"/> has come.</summary>
    public static bool IsDue(TimeSpan at, TimeSpan now) => now + Slack >= at;

    /// <summary>Rings at <paramref name="at"/> or earlier.</summary>
    public void Set(TimeSpan at, TimeSpan now)
    {
        if (at >= _at) return;
        _at = at;
        // Rounded up: a timer that rings a fraction early would ring again and again until the moment has come.
        var milliseconds = Math.Clamp(Math.Ceiling((at - now - Slack).TotalMilliseconds), 1, int.MaxValue);
        _timer.Change(TimeSpan.FromMilliseconds(milliseconds), Timeout.InfiniteTimeSpan);
    }

    /// <summary>It rang: the next <see cref="Set"/> counts again, whatever its moment.</summary>
    public void Rang() => _at = TimeSpan.MaxValue;

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();
}
