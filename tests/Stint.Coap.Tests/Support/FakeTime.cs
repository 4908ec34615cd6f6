namespace Stint.Coap.Tests.Support;

/// <summary>
/// A clock that stands still until told. Its timestamps count in ticks × 7, so that code which takes them for milliseconds or for ticks goes wrong at once.
/// </summary>
internal sealed class FakeTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<FakeTimer> _timers = [];
    private long _ticks = TimeSpan.TicksPerDay;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond * 7;

    public override long GetTimestamp() => Volatile.Read(ref _ticks) * 7;

    public override DateTimeOffset GetUtcNow() => new(Volatile.Read(ref _ticks), TimeSpan.Zero);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new FakeTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        lock (_gate) _timers.Add(timer);
        return timer;
    }

    /// <summary>Moves on and fires what falls due on the way, in order, each at its own moment.</summary>
    public void Advance(TimeSpan by)
    {
        var end = Volatile.Read(ref _ticks) + by.Ticks;
        while (true)
        {
            FakeTimer? next;
            lock (_gate) next = _timers.Where(timer => timer.Due <= end).MinBy(timer => timer.Due);
            if (next is null) break;
            Volatile.Write(ref _ticks, Math.Max(next.Due, Volatile.Read(ref _ticks)));
            next.Fire();
        }

        Volatile.Write(ref _ticks, end);
    }

    public void Advance(double seconds) => Advance(TimeSpan.FromSeconds(seconds));

    private sealed class FakeTimer(FakeTime time, Action fire) : ITimer
    {
        private TimeSpan _period = Timeout.InfiniteTimeSpan;

        public long Due { get; private set; } = long.MaxValue;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _period = period;
            Due = dueTime == Timeout.InfiniteTimeSpan ? long.MaxValue : Volatile.Read(ref time._ticks) + dueTime.Ticks;
            return true;
        }

        public void Fire()
        {
            Due = _period == Timeout.InfiniteTimeSpan ? long.MaxValue : Due + _period.Ticks;
            fire();
        }

        public void Dispose()
        {
            Due = long.MaxValue;
            lock (time._gate) time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
