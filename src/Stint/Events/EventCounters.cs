namespace Stint.Events;

/// <summary>What became of a function's events.</summary>
internal sealed class EventCounters
{
    private long _accepted, _rejected, _lost;

    /// <summary>Those that became calls, which are on disk.</summary>
    public long Accepted => Volatile.Read(ref _accepted);

    /// <summary>Those that the function cannot take: no repetition would change it. The function's log says why.</summary>
    public long Rejected => Volatile.Read(ref _rejected);

    /// <summary>Messages of QoS 0 that came while calls could not be taken over, and runs of a schedule that were missed.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>One became a call.</summary>
    public void Accept() => Interlocked.Increment(ref _accepted);

    /// <summary>One was rejected.</summary>
    public void Reject() => Interlocked.Increment(ref _rejected);

    /// <summary>Some were lost.</summary>
    public void Lose() => Interlocked.Increment(ref _lost);
}
