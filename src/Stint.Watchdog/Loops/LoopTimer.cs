namespace Stint.Watchdog.Loops;

/// <summary>A time limit on one loop; armed and cancelled many times, always on the loop's thread.</summary>
internal sealed class LoopTimer(EventLoop loop, Action passed)
{
    /// <summary>When it is due, in milliseconds of the loop's clock.</summary>
    internal long Due { get; private set; }

    /// <summary>Its place in the loop's heap; −1 while it is not armed.</summary>
    internal int Place { get; set; } = -1;

    /// <summary>Whether it is still to come.</summary>
    public bool IsArmed => Place >= 0;

    /// <summary>Starts it anew. A limit of zero is none.</summary>
    public void Arm(TimeSpan limit)
    {
        Cancel();
        if (limit <= TimeSpan.Zero) return;
        Due = loop.Now + Math.Max(1, (long)Math.Min(limit.TotalMilliseconds, long.MaxValue / 4));
        loop.Timers.Add(this);
    }

    /// <summary>Ends it without effect.</summary>
    public void Cancel()
    {
        if (IsArmed) loop.Timers.Remove(this);
    }

    internal void Pass() => passed();
}
