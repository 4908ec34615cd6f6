namespace Stint.Pools;

/// <summary>The calls that wait for an instance, first come, first served; any of them can step out. Guarded by the pool's lock; the count may be read without it.</summary>
internal sealed class CallQueue
{
    private Call? _first;
    private Call? _last;
    private int _count;

    /// <summary>Calls that wait. Needs no lock.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The call that has waited for longest.</summary>
    public Call? First => _first;

    /// <summary>Adds a call at the end.</summary>
    public void Enqueue(Call call)
    {
        (call.IsQueued, call.Before, call.Behind) = (true, _last, null);
        if (_last is not null) _last.Behind = call;
        else _first = call;
        _last = call;
        _count++;
    }

    /// <summary>Takes a call out, wherever it stands; false when it is not in the queue any more.</summary>
    public bool Remove(Call call)
    {
        if (!call.IsQueued) return false;
        if (call.Before is { } before) before.Behind = call.Behind;
        else _first = call.Behind;
        if (call.Behind is { } behind) behind.Before = call.Before;
        else _last = call.Before;
        (call.IsQueued, call.Before, call.Behind) = (false, null, null);
        _count--;
        return true;
    }
}
