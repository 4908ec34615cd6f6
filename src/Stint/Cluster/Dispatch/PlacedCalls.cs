using Stint.Invocations;
using Stint.Telemetry;

namespace Stint.Cluster.Dispatch;

/// <summary>A function's calls at a gateway that did not run on it. The pool here knows nothing of them, but for those that it refused first.</summary>
internal sealed class PlacedCalls
{
    private long _neverHere, _handedOn;

    /// <summary>Calls that were answered by another machine, or by this one's words because none did: how they ended, from their arrival here to the beginning of the answer.</summary>
    public CallCounters Elsewhere { get; } = new();

    /// <summary>Tries of calls on workers; a call may take several.</summary>
    public FateCounts Tries { get; } = new();

    /// <summary>Those of <see cref="Elsewhere"/> that the pool here has not counted: its calls and these are all that came.</summary>
    public long NeverHere => Interlocked.Read(ref _neverHere);

    /// <summary>Those that the pool here has counted too, as a refusal that the caller has not seen.</summary>
    public long HandedOn => Interlocked.Read(ref _handedOn);

    /// <summary>Counts a call that this machine's pool did not answer.</summary>
    /// <param name="reply">The answer.</param>
    /// <param name="took">From its arrival.</param>
    /// <param name="wasHere">The pool has refused it before.</param>
    public void Ended(Reply reply, TimeSpan took, bool wasHere)
    {
        if (wasHere) Interlocked.Increment(ref _handedOn);
        else Interlocked.Increment(ref _neverHere);
        Elsewhere.Ended(reply, took);
    }
}
