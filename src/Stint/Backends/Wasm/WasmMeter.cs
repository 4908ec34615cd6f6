using Stint.Telemetry;

namespace Stint.Backends.Wasm;

/// <summary>What runners have done.</summary>
internal sealed class WasmMeter
{
    private long _killed;
    private long _died;
    private long _started;

    /// <summary>Compiling a module in one runner.</summary>
    public Histogram Compiling { get; } = new();

    /// <summary>Making a call's instance.</summary>
    public Histogram Instantiating { get; } = new();

    /// <summary>The guest's own time, with what it waited for.</summary>
    public Histogram Running { get; } = new();

    /// <summary>How long calls waited for a runner.</summary>
    public Histogram Waiting { get; } = new();

    /// <summary>Runners that got ready.</summary>
    public long Started => Interlocked.Read(ref _started);

    /// <summary>Runners that were killed with a call in them that had no time left, or no caller.</summary>
    public long Killed => Interlocked.Read(ref _killed);

    /// <summary>Runners that died in a call.</summary>
    public long Died => Interlocked.Read(ref _died);

    /// <summary>One got ready.</summary>
    public void HasStarted() => Interlocked.Increment(ref _started);

    /// <summary>One was killed.</summary>
    public void WasKilled() => Interlocked.Increment(ref _killed);

    /// <summary>One died.</summary>
    public void HasDied() => Interlocked.Increment(ref _died);
}
