namespace Stint.Pools;

/// <summary>
/// How long a function whose instances fail is left alone: 1 s after the first failure of a row, doubling up to 60 s. Guarded by its pool's lock.
/// </summary>
/// <remarks>
/// Two kinds of failure end in two ways. A row of failed boots ends with a boot. A row of deaths ends only with a call that came back, because a function that boots well and
/// dies of every call would otherwise never be left alone. The first death after a success is forgiven: one call that kills its instance costs only itself.
/// </remarks>
internal sealed class Backoff(PoolOptions options)
{
    private bool _forgaveDeath;
    private bool _lastWasBoot;

    /// <summary>Failures in a row that count.</summary>
    public int Streak { get; private set; }

    /// <summary>When the next start may be tried; meaningful while <see cref="Streak"/> is positive.</summary>
    public TimeSpan RetryAt { get; private set; }

    /// <summary>The last failure, in the words for the caller; null when nothing is wrong.</summary>
    public string? LastError { get; private set; }

    /// <summary>Whether starts have to wait at <paramref name="now"/>.</summary>
    public bool IsWaiting(TimeSpan now) => Streak > 0 && !PoolAlarm.IsDue(RetryAt, now);

    /// <summary>What remains of the wait.</summary>
    public TimeSpan Remaining(TimeSpan now) => IsWaiting(now) ? RetryAt - now : TimeSpan.Zero;

    /// <summary>A start failed.</summary>
    public void BootFailed(string error, TimeSpan now) => Count(error, now, boot: true);

    /// <summary>A running instance died.</summary>
    public void Died(string reason, TimeSpan now)
    {
        if (Streak == 0 && !_forgaveDeath) (_forgaveDeath, LastError) = (true, reason);
        else Count(reason, now, boot: false);
    }

    /// <summary>An instance got ready.</summary>
    public void Booted()
    {
        if (_lastWasBoot) Reset();
    }

    /// <summary>A call came back from its instance; true when that ends a wait.</summary>
    public bool Served()
    {
        if (Streak == 0 && !_forgaveDeath) return false;
        var waited = Streak > 0;
        Reset();
        return waited;
    }

    /// <summary>Forgets all failures, as for a new version.</summary>
    public void Reset() => (Streak, _forgaveDeath, _lastWasBoot, LastError) = (0, false, false, null);

    private void Count(string error, TimeSpan now, bool boot)
    {
        // Instances that were started together fail together: that is one failure, not several steps of the ladder.
        if (!IsWaiting(now))
        {
            var wait = options.FirstBackoff * Math.Pow(2, Math.Min(Streak, 30));
            Streak++;
            RetryAt = now + (wait < options.LongestBackoff ? wait : options.LongestBackoff);
        }
        (LastError, _lastWasBoot) = (error, boot);
    }
}
