namespace Stint.Functions.Bundles;

/// <summary>One door per key: whoever enters is alone with that key until the pass is disposed of. Keys nobody uses cost nothing.</summary>
internal sealed class KeyedGate<TKey> where TKey : notnull
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, Door> _doors = [];

    /// <summary>Waits for the key.</summary>
    public async ValueTask<IDisposable> EnterAsync(TKey key, CancellationToken cancellationToken)
    {
        Door? door;
        lock (_lock)
        {
            if (!_doors.TryGetValue(key, out door)) _doors[key] = door = new Door();
            door.Users++;
        }
        try
        {
            await door.Turn.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Leave(key, door);
            throw;
        }
        return new Pass(this, key, door);
    }

    private void Leave(TKey key, Door door)
    {
        lock (_lock)
            if (--door.Users == 0) _doors.Remove(key);
    }

    private sealed class Door
    {
        public SemaphoreSlim Turn { get; } = new(1, 1);
        public int Users { get; set; }
    }

    private sealed class Pass(KeyedGate<TKey> gate, TKey key, Door door) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) != 0) return;
            door.Turn.Release();
            gate.Leave(key, door);
        }
    }
}
