using Stint.Invocations;

namespace Stint.Cluster.Dispatch;

/// <summary>
/// What one call has learnt of the machines that it was tried on, and with it what it may wait for at the next one. First it looks for a machine where it need not wait for other calls; when there is none,
/// it is tried once more and waits where it falls. Not safe for several threads.
/// </summary>
internal sealed class PlacementRound
{
    /// <summary>The gateway itself, which has no name among its workers.</summary>
    public const string Here = "";

    private HashSet<string>? _tried;
    private HashSet<string>? _full;
    private HashSet<string>? _cold;
    private bool _queues;

    /// <summary>Whether any machine has been asked in vain.</summary>
    public bool HasTried => _tried is not null || _cold is not null;

    /// <summary>Whether a machine may be asked.</summary>
    /// <param name="machine">Its name.</param>
    /// <param name="isFull">It has told another call that it would have to wait.</param>
    public bool MayTry(string machine, bool isFull = false)
    {
        if (_tried?.Contains(machine) is true) return false;
        if (_queues) return true;
        if (isFull) Full(machine);
        return _full?.Contains(machine) is not true;
    }

    /// <summary>What the call may wait for at a machine that has been chosen.</summary>
    /// <param name="machine">Its name.</param>
    /// <param name="isWarm">It is thought to have a free instance.</param>
    /// <param name="choices">Machines that could be chosen, with this one.</param>
    public CallWait WaitAt(string machine, bool isWarm, int choices)
    {
        if (isWarm && _cold?.Contains(machine) is not true) return CallWait.Never;
        // The only one there is need not be asked twice.
        return _queues || choices == 1 && _full is null ? CallWait.InQueue : CallWait.ForStart;
    }

    /// <summary>It has no free instance after all.</summary>
    public void Cold(string machine) => (_cold ??= new(StringComparer.Ordinal)).Add(machine);

    /// <summary>The call would have to wait there.</summary>
    public void Full(string machine) => (_full ??= new(StringComparer.Ordinal)).Add(machine);

    /// <summary>It is not to be asked again.</summary>
    public void Tried(string machine) => (_tried ??= new(StringComparer.Ordinal)).Add(machine);

    /// <summary>From now on the call waits where it is sent; false when it does already, or when that leaves no more machines to ask.</summary>
    public bool TryQueue()
    {
        if (_queues || _full is null) return false;
        return _queues = true;
    }
}
