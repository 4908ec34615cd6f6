namespace Stint.Coap.Exchanges;

/// <summary>A part of the server that has something to do later.</summary>
internal interface IDeadlines
{
    /// <summary>Does what is due and returns when there will be more, in milliseconds of the clock; <see cref="DeadlineClock.Never"/> for nothing.</summary>
    long RunDue(long now);
}

/// <summary>
/// The time of the server, in milliseconds since it started, and its one timer. The timer is armed for the earliest moment that a part asked for
/// and not at all while nobody waits, so an idle server does not wake the CPU.
/// </summary>
internal sealed class DeadlineClock : IDisposable
{
    /// <summary>No deadline.</summary>
    public const long Never = long.MaxValue;

    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private IDeadlines[] _parts = [];
    private long _next = Never;
    private bool _running;

    public DeadlineClock(TimeProvider time)
    {
        _time = time;
        _start = time.GetTimestamp();
        _timer = time.CreateTimer(static clock => ((DeadlineClock)clock!).Fire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Milliseconds since the server started.</summary>
    public long Now => (long)_time.GetElapsedTime(_start).TotalMilliseconds;

    /// <summary>Adds a part; before the first datagram.</summary>
    public void Add(IDeadlines part) => _parts = [.. _parts, part];

    /// <summary>Asks for a run at this moment or before. Cheap when the timer is set earlier already; may be called under a part's own lock.</summary>
    public void Expect(long due)
    {
        if (due >= Volatile.Read(ref _next)) return;
        lock (_gate)
        {
            if (due >= _next) return;
            _next = due;
            if (!_running) Arm_NeedsLock();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Fire()
    {
        lock (_gate)
        {
            if (_running) return;
            _running = true;
            _next = Never;
        }

        var now = Now;
        var earliest = Never;
        foreach (var part in _parts) earliest = Math.Min(earliest, part.RunDue(now));
        lock (_gate)
        {
            _running = false;
            _next = Math.Min(_next, earliest);
            if (_next != Never) Arm_NeedsLock();
        }
    }

    // One millisecond at least: timestamps are cut to milliseconds, so a timer set to the exact rest could fire a moment early.
    private void Arm_NeedsLock() => _timer.Change(TimeSpan.FromMilliseconds(Math.Max(1, _next - Now)), Timeout.InfiniteTimeSpan);
}
