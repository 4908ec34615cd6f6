namespace Stint.Backends.Wasm;

/// <summary>What one runner has compiled, the daemon's account of it: the least recently used modules go when others need the room.</summary>
/// <param name="capacity">Bytes of modules that there is room for; one is always kept, however large.</param>
internal sealed class LoadedModules(long capacity)
{
    private readonly LinkedList<Entry> _byUse = []; // the most recently used first
    private readonly Dictionary<string, LinkedListNode<Entry>> _entries = new(StringComparer.Ordinal);
    private long _bytes;

    /// <summary>Whether a module is there. May be asked by anybody at any time.</summary>
    public bool Contains(string hash)
    {
        lock (_entries) return _entries.ContainsKey(hash);
    }

    /// <summary>Whether a module is there; if so, it is the most recently used from now on.</summary>
    public bool Use(string hash)
    {
        lock (_entries)
        {
            if (!_entries.TryGetValue(hash, out var node)) return false;
            if (node.Previous is null) return true;
            _byUse.Remove(node);
            _byUse.AddFirst(node);
            return true;
        }
    }

    /// <summary>Gives up what must go for a module of so many bytes.</summary>
    /// <returns>The modules to forget.</returns>
    public List<string> MakeRoom(long bytes)
    {
        var gone = new List<string>();
        lock (_entries)
        {
            while (_bytes + bytes > capacity && _byUse.Last is { } oldest)
            {
                _byUse.RemoveLast();
                _entries.Remove(oldest.Value.Hash);
                _bytes -= oldest.Value.Bytes;
                gone.Add(oldest.Value.Hash);
            }
        }
        return gone;
    }

    /// <summary>A module has been compiled.</summary>
    public void Add(string hash, long bytes)
    {
        lock (_entries)
        {
            _entries[hash] = _byUse.AddFirst(new Entry(hash, bytes));
            _bytes += bytes;
        }
    }

    /// <summary>Whether the settings of a function are news to the runner; from now on they are not.</summary>
    public bool Define(string hash, string key)
    {
        lock (_entries) return _entries.TryGetValue(hash, out var node) && node.Value.Functions.Add(key);
    }

    private sealed record Entry(string Hash, long Bytes)
    {
        public HashSet<string> Functions { get; } = new(StringComparer.Ordinal);
    }
}
