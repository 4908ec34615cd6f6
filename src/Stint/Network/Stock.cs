namespace Stint.Network;

/// <summary>
/// Things that take a while to make, a few of them made ahead in the background. Nothing is made before the first one is taken. When one is taken, the next is made; when there is none, the taker waits for
/// its own.
/// </summary>
/// <typeparam name="T">What is kept.</typeparam>
internal sealed class Stock<T> : IAsyncDisposable where T : class
{
    private readonly Lock _lock = new();
    private readonly Queue<T> _ready = new();
    private readonly HashSet<Task> _work = [];
    private readonly int _size;
    private readonly Func<Task<T>> _make;
    private readonly Action<T> _discard;
    private readonly Action<Exception> _report;
    private int _coming;
    private bool _stopping;

    /// <summary>Prepares an empty stock.</summary>
    /// <param name="size">How many are kept.</param>
    /// <param name="make">Makes one.</param>
    /// <param name="discard">Ends one that nobody took.</param>
    /// <param name="report">Told why one could not be made in the background; its taker will get the same error.</param>
    public Stock(int size, Func<Task<T>> make, Action<T> discard, Action<Exception> report) => (_size, _make, _discard, _report) = (size, make, discard, report);

    /// <summary>How many wait.</summary>
    public int Ready
    {
        get { lock (_lock) return _ready.Count; }
    }

    /// <summary>Takes one; the next is made meanwhile.</summary>
    public async ValueTask<T> TakeAsync()
    {
        T? taken;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            _ready.TryDequeue(out taken);
        }
        try
        {
            return taken ?? await _make().ConfigureAwait(false);
        }
        finally
        {
            // Afterwards, so that the next one does not compete with this one.
            Fill();
        }
    }

    /// <summary>Puts one back that can be used again; more than the stock holds are discarded.</summary>
    public void Return(T item)
    {
        lock (_lock)
        {
            if (!_stopping && _ready.Count < _size)
            {
                _ready.Enqueue(item);
                return;
            }
        }
        _discard(item);
    }

    /// <summary>Makes what is missing, in the background.</summary>
    public void Fill()
    {
        lock (_lock)
        {
            while (!_stopping && _ready.Count + _coming < _size)
            {
                _coming++;
                var work = Task.Run(MakeAsync);
                _work.Add(work);
                _ = work.ContinueWith(done =>
                {
                    lock (_lock) _work.Remove(done);
                }, TaskScheduler.Default);
            }
        }
    }

    /// <summary>Discards what is left; nothing more is made.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] work;
        lock (_lock)
        {
            _stopping = true;
            work = [.. _work];
        }
        await Task.WhenAll(work).ConfigureAwait(false);
        while (_ready.TryDequeue(out var left)) _discard(left);
    }

    // Never faults.
    private async Task MakeAsync()
    {
        T? made = null;
        try
        {
            made = await _make().ConfigureAwait(false);
        }
        catch (IOException failure)
        {
            _report(failure);
        }
        lock (_lock)
        {
            _coming--;
            if (made is null) return;
            if (!_stopping && _ready.Count < _size)
            {
                _ready.Enqueue(made);
                return;
            }
        }
        _discard(made);
    }
}
