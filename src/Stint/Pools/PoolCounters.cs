using Stint.Telemetry;

namespace Stint.Pools;

/// <summary>What a pool has done since it was made. Everything here may be read at any time without a lock.</summary>
internal sealed class PoolCounters : CallCounters
{
    private long _coldStarts, _startFailures, _deaths, _replaced;

    /// <summary>From asking for an instance to its being ready, of starts that succeeded.</summary>
    public Histogram ColdStartDurations { get; } = new();

    /// <summary>How long calls waited for an instance, of calls that had to wait and got one.</summary>
    public Histogram QueueWaits { get; } = new();

    /// <summary>Instances that got ready.</summary>
    public long ColdStarts => Interlocked.Read(ref _coldStarts);

    /// <summary>Starts that failed.</summary>
    public long StartFailures => Interlocked.Read(ref _startFailures);

    /// <summary>Instances that ended by themselves.</summary>
    public long Deaths => Interlocked.Read(ref _deaths);

    /// <summary>Instances that the pool put out of service because they did not let go of a call, broke their contract, or did not answer a probe.</summary>
    public long Replaced => Interlocked.Read(ref _replaced);

    /// <summary>Counts a start that succeeded.</summary>
    public void Started(TimeSpan took)
    {
        Interlocked.Increment(ref _coldStarts);
        ColdStartDurations.Record(took);
    }

    /// <summary>Counts a start that failed.</summary>
    public void StartFailed() => Interlocked.Increment(ref _startFailures);

    /// <summary>Counts an instance that ended by itself.</summary>
    public void Died() => Interlocked.Increment(ref _deaths);

    /// <summary>Counts an instance that was put out of service.</summary>
    public void Replace() => Interlocked.Increment(ref _replaced);
}
