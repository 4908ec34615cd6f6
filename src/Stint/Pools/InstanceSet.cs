using Stint.Functions;

namespace Stint.Pools;

/// <summary>
/// The instances of one pool: all of them, how many are in which state, and, in the order of their last use, those that can take a call.
/// Guarded by the pool's lock; the counts may be read without it.
/// </summary>
internal sealed class InstanceSet
{
    private readonly List<PooledInstance> _all = [];
    private readonly int[] _counts = new int[5];
    private PooledInstance? _newest;
    private PooledInstance? _oldest;

    /// <summary>Every instance that holds anything of the host.</summary>
    public IReadOnlyList<PooledInstance> All => _all;

    /// <summary>How many instances are in a state. Needs no lock.</summary>
    public int Count(InstanceState state) => Volatile.Read(ref _counts[(int)state]);

    /// <summary>How many instances of a version are in one of two states (or in one, named twice).</summary>
    public int Count(FunctionVersion version, InstanceState one, InstanceState other)
    {
        var count = 0;
        foreach (var instance in _all)
            if (ReferenceEquals(instance.Version, version) && (instance.State == one || instance.State == other)) count++;
        return count;
    }

    /// <summary>How many instances of a version hold anything of the host, whatever their state.</summary>
    public int CountAll(FunctionVersion version)
    {
        var count = 0;
        foreach (var instance in _all)
            if (ReferenceEquals(instance.Version, version)) count++;
        return count;
    }

    /// <summary>Takes in an instance that is to be started.</summary>
    public void Add(PooledInstance instance)
    {
        _all.Add(instance);
        instance.State = InstanceState.Starting;
        _counts[(int)InstanceState.Starting]++;
    }

    /// <summary>Forgets an instance that holds nothing any more.</summary>
    public void Remove(PooledInstance instance)
    {
        Unlist(instance);
        if (_all.Remove(instance)) _counts[(int)instance.State]--;
    }

    /// <summary>Changes an instance's state.</summary>
    public void Move(PooledInstance instance, InstanceState state)
    {
        if (instance.State == state) return;
        _counts[(int)instance.State]--;
        _counts[(int)state]++;
        instance.State = state;
    }

    /// <summary>Takes a slot of the most recently used instance that has one, so that the others can go idle; null when all are taken.</summary>
    public PooledInstance? TakeSlot()
    {
        if (_newest is not { } instance) return null;
        Occupy(instance);
        return instance;
    }

    /// <summary>Puts one more call into an instance that has room.</summary>
    public void Occupy(PooledInstance instance)
    {
        instance.InFlight++;
        if (instance.Version.Spec.SingleUse) instance.Spent = true;
        Move(instance, InstanceState.Busy);
        if (!instance.HasRoom) Unlist(instance);
    }

    /// <summary>Makes an instance with room the first choice.</summary>
    public void List(PooledInstance instance)
    {
        if (ReferenceEquals(_newest, instance)) return;
        Unlist(instance);
        (instance.IsListed, instance.Older, instance.Newer) = (true, _newest, null);
        if (_newest is not null) _newest.Newer = instance;
        else _oldest = instance;
        _newest = instance;
    }

    /// <summary>Takes an instance out of the choice.</summary>
    public void Unlist(PooledInstance instance)
    {
        if (!instance.IsListed) return;
        if (instance.Newer is { } newer) newer.Older = instance.Older;
        else _newest = instance.Older;
        if (instance.Older is { } older) older.Newer = instance.Newer;
        else _oldest = instance.Newer;
        (instance.IsListed, instance.Newer, instance.Older) = (false, null, null);
    }

    /// <summary>The instance that has been idle for longest, of those that could serve.</summary>
    public PooledInstance? OldestIdle()
    {
        for (var instance = _oldest; instance is not null; instance = instance.Newer)
            if (instance.State == InstanceState.Idle) return instance;
        return null;
    }
}
