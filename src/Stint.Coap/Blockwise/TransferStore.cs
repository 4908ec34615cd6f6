using System.Diagnostics.CodeAnalysis;
using Stint.Coap.Exchanges;

namespace Stint.Coap.Blockwise;

/// <summary>
/// Half-done transfers, bounded in number and bytes and forgotten when nothing happens for a while. When room is needed, transfers that never got past their
/// first block go first, oldest first: those are what a flood of spoofed sources leaves behind, while a living transfer has shown a second block.
/// Not thread-safe; the owner locks.
/// </summary>
internal sealed class TransferStore<T>(int maxCount, long maxBytes, long lifetime)
{
    private readonly Dictionary<RequestKey, LinkedListNode<Entry>> _byKey = [];
    private readonly LinkedList<Entry> _fresh = new();
    private readonly LinkedList<Entry> _proven = new();

    /// <summary>Transfers kept.</summary>
    public int Count => _byKey.Count;

    /// <summary>Bytes they are charged with.</summary>
    public long Bytes { get; private set; }

    /// <summary>Finds a transfer that is still good; that it was asked for again proves it.</summary>
    public bool TryTouch(in RequestKey key, long now, [MaybeNullWhen(false)] out T value)
    {
        value = default;
        if (!_byKey.TryGetValue(key, out var node)) return false;
        if (node.Value.Expires <= now)
        {
            Remove(node);
            return false;
        }

        node.List!.Remove(node);
        node.Value.Expires = now + lifetime;
        _proven.AddLast(node);
        value = node.Value.Value;
        return true;
    }

    /// <summary>Adds a transfer in place of an older one with the same key; false when it is larger than the whole store.</summary>
    public bool Put(in RequestKey key, T value, long bytes, long now)
    {
        Remove(key);
        if (bytes > maxBytes) return false;
        while (_byKey.Count >= maxCount || Bytes + bytes > maxBytes) Remove((_fresh.First ?? _proven.First)!);
        _byKey[key] = _fresh.AddLast(new Entry(key, value, bytes, now + lifetime));
        Bytes += bytes;
        return true;
    }

    /// <summary>Charges a transfer with more bytes; false, and the transfer is gone, when there is no room even after others have made way.</summary>
    public bool Charge(in RequestKey key, long more)
    {
        if (!_byKey.TryGetValue(key, out var node)) return false;
        while (Bytes + more > maxBytes)
        {
            var victim = _fresh.First ?? _proven.First;
            if (victim == node || victim is null)
            {
                Remove(node);
                return false;
            }

            Remove(victim);
        }

        node.Value.Bytes += more;
        Bytes += more;
        return true;
    }

    /// <summary>Ends a transfer.</summary>
    public void Remove(in RequestKey key)
    {
        if (_byKey.TryGetValue(key, out var node)) Remove(node);
    }

    /// <summary>Forgets what has expired; returns when the next does. Both lists are in order of their last use and so of their end.</summary>
    public long Expire(long now)
    {
        while (_fresh.First is { } first && first.Value.Expires <= now) Remove(first);
        while (_proven.First is { } first && first.Value.Expires <= now) Remove(first);
        return Math.Min(_fresh.First?.Value.Expires ?? DeadlineClock.Never, _proven.First?.Value.Expires ?? DeadlineClock.Never);
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        node.List!.Remove(node);
        _byKey.Remove(node.Value.Key);
        Bytes -= node.Value.Bytes;
    }

    private sealed class Entry(RequestKey key, T value, long bytes, long expires)
    {
        public RequestKey Key { get; } = key;

        public T Value { get; } = value;

        public long Bytes { get; set; } = bytes;

        public long Expires { get; set; } = expires;
    }
}
