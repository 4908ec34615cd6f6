namespace Stint.ClusterSim;

/// <summary>
/// A worker: instances of functions, each busy with one call or idle until its keep-alive is over or its memory is needed. Calls share the processors: what is started above their number takes as much longer.
/// </summary>
internal sealed class Node(int memory, int cores, double keepAlive)
{
    private readonly LinkedList<(double Since, int Function)> _idle = []; // the one that has been idle longest first
    private readonly Dictionary<int, Stack<LinkedListNode<(double Since, int Function)>>> _places = [];

    /// <summary>Grows with each change.</summary>
    public long Version { get; private set; }

    /// <summary>Calls that run.</summary>
    public int Running { get; private set; }

    /// <summary>MiB that no instance, busy or idle, holds.</summary>
    public int Free { get; private set; } = memory;

    /// <summary>MiB held by idle instances.</summary>
    public int Idle { get; private set; }

    /// <summary>Processors.</summary>
    public int Cores => cores;

    /// <summary>Idle instances of a function.</summary>
    public int Warm(int function) => _places.TryGetValue(function, out var stack) ? stack.Count : 0;

    /// <summary>Functions that have idle instances.</summary>
    public IEnumerable<int> WarmFunctions => _places.Where(static pair => pair.Value.Count > 0).Select(static pair => pair.Key);

    /// <summary>Takes a call; null when there is no room, else whether an instance was there.</summary>
    public bool? TryTake(int function, int size, double now, Func<int, int> sizeOf)
    {
        Expire(now, sizeOf);
        Version++;
        if (_places.TryGetValue(function, out var stack) && stack.TryPop(out var place))
        {
            _idle.Remove(place);
            Idle -= size;
            Running++;
            return true;
        }
        if (Free + Idle < size) return null;
        while (Free < size) Evict(sizeOf);
        Free -= size;
        Running++;
        return false;
    }

    /// <summary>A call has ended; its instance is idle.</summary>
    public void End(int function, int size, double now, Func<int, int> sizeOf)
    {
        Running--;
        Version++;
        Idle += size;
        if (!_places.TryGetValue(function, out var stack)) _places[function] = stack = new Stack<LinkedListNode<(double Since, int Function)>>();
        stack.Push(_idle.AddLast((now, function)));
        Expire(now, sizeOf);
    }

    /// <summary>Instances whose keep-alive is over go.</summary>
    public void Expire(double now, Func<int, int> sizeOf)
    {
        while (_idle.First is { } oldest && oldest.Value.Since + keepAlive < now) Evict(sizeOf);
    }

    private void Evict(Func<int, int> sizeOf)
    {
        Version++;
        var oldest = _idle.First!;
        var function = oldest.Value.Function;
        _idle.RemoveFirst();
        // The stack's order is that of the list, so the oldest of a function is at its bottom: rare enough to rebuild it.
        var rest = _places[function].Where(place => place != oldest).Reverse().ToArray();
        _places[function] = new Stack<LinkedListNode<(double Since, int Function)>>(rest);
        Free += sizeOf(function);
        Idle -= sizeOf(function);
    }
}
