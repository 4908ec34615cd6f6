namespace Stint.Tests.Time;

/// <summary>
/// A clock that moves only when told. Timers ring inside <c>Advance</c>, on its thread, in the order of their moments.
/// Timestamps run seven times as fast as ticks, so that code that takes one for the other shows it.
/// </summary>
internal sealed class FakeTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<FakeTimer> _timers = [];
    private long _ticks;
    private long _order;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond * 7;

    public TimeSpan Elapsed
    {
        get
        {
            lock (_lock) return TimeSpan.FromTicks(_ticks);
        }
    }

    public override long GetTimestamp() => Elapsed.Ticks * 7;

    public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero) + Elapsed;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new FakeTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock, ringing every timer on the way at its own moment.</summary>
    public void Advance(TimeSpan by)
    {
        var end = Elapsed.Ticks + by.Ticks;
        while (true)
        {
            FakeTimer? next;
            lock (_lock)
            {
                next = _timers.Where(timer => timer.At <= end).OrderBy(timer => timer.At).ThenBy(timer => timer.Order).FirstOrDefault();
                _ticks = Math.Max(_ticks, next?.At ?? end);
                if (next is null) return;
                if (next.Period > 0) next.At += next.Period;
                else _timers.Remove(next);
            }
            next.Ring();
        }
    }

    /// <summary>Moves the clock by milliseconds.</summary>
    public void Advance(int milliseconds) => Advance(TimeSpan.FromMilliseconds(milliseconds));

    private sealed class FakeTimer(FakeTime time, TimerCallback callback, object? state) : ITimer
    {
        private bool _disposed;

        public long At { get; set; }

        public long Period { get; private set; }

        public long Order { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._lock)
            {
                if (_disposed) return false;
                time._timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan) return true;
                // Like the system's timers, whole milliseconds.
                At = time._ticks + (long)dueTime.TotalMilliseconds * TimeSpan.TicksPerMillisecond;
                (Period, Order) = (Math.Max(0, period.Ticks), time._order++);
                time._timers.Add(this);
                return true;
            }
        }

        public void Ring() => callback(state);

        public void Dispose()
        {
            lock (time._lock)
            {
                _disposed = true;
                time._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
