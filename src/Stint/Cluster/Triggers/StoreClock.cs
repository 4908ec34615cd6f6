namespace Stint.Cluster.Triggers;

/// <summary>The store's clock, as far as it is known: that of this machine with the difference of the last look. Gateways whose clocks differ run schedules at the same moments.</summary>
/// <param name="inner">This machine's.</param>
internal sealed class StoreClock(TimeProvider inner) : TimeProvider
{
    // Less than that is the way to the server and back.
    private static readonly TimeSpan Noise = TimeSpan.FromMilliseconds(250);

    private long _offset;

    /// <summary>How much the store's clock is ahead.</summary>
    public TimeSpan Offset => TimeSpan.FromTicks(Interlocked.Read(ref _offset));

    /// <inheritdoc/>
    public override long TimestampFrequency => inner.TimestampFrequency;

    /// <summary>Sets it by a look at the store's.</summary>
    /// <param name="theirs">What it showed.</param>
    /// <param name="ours">What this machine's showed, half-way between question and answer.</param>
    public void Set(DateTimeOffset theirs, DateTimeOffset ours)
    {
        if ((theirs - ours - Offset).Duration() > Noise) Interlocked.Exchange(ref _offset, (theirs - ours).Ticks);
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => inner.GetUtcNow() + Offset;

    /// <inheritdoc/>
    public override long GetTimestamp() => inner.GetTimestamp();

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => inner.CreateTimer(callback, state, dueTime, period);
}
