using System.Collections.Concurrent;
using System.Threading.Channels;

namespace Stint.Backends.Containers.Engine;

/// <summary>
/// What containers used when they were last measured. Only those that somebody asks for are measured, in the background, and each at most once a second: a measurement costs the engine milliseconds.
/// </summary>
internal sealed class UsageSampler(EngineClient engine, TimeProvider time) : IAsyncDisposable
{
    /// <summary>How old a measurement gets before another is made.</summary>
    public static readonly TimeSpan Freshness = TimeSpan.FromSeconds(1);

    // Arbitrary: enough for a hundred containers a second, too few to keep an engine from starting others.
    private const int Workers = 4;

    private readonly ConcurrentDictionary<string, Sample> _samples = new();
    private readonly Channel<string> _due = Channel.CreateUnbounded<string>();
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private Task[] _workers = [];

    /// <summary>What a container used at the last measurement; zeros until there was one. Never waits.</summary>
    public InstanceUsage Read(string id)
    {
        var sample = _samples.GetOrAdd(id, static _ => new Sample());
        if (sample.IsDue(time) && _due.Writer.TryWrite(id)) Work();
        return sample.Usage;
    }

    /// <summary>Forgets a container that is gone.</summary>
    public void Forget(string id) => _samples.TryRemove(id, out _);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _due.Writer.TryComplete();
        await _stop.CancelAsync();
        Task[] workers;
        lock (_lock) workers = _workers;
        await Task.WhenAll(workers);
        _stop.Dispose();
    }

    private void Work()
    {
        if (_workers.Length > 0) return;
        lock (_lock)
        {
            if (_workers.Length == 0 && !_stop.IsCancellationRequested) _workers = [.. Enumerable.Range(0, Workers).Select(_ => Task.Run(MeasureAsync))];
        }
    }

    private async Task MeasureAsync()
    {
        try
        {
            await foreach (var id in _due.Reader.ReadAllAsync(_stop.Token)) await MeasureAsync(id);
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
    }

    private async Task MeasureAsync(string id)
    {
        if (!_samples.TryGetValue(id, out var sample)) return;
        try
        {
            var measured = await engine.Containers.ReadStatisticsAsync(id, _stop.Token);
            sample.Set(new InstanceUsage(measured.MemoryBytes, measured.CpuTime), time);
        }
        catch (EngineException failure)
        {
            // Whoever shows figures shows the last ones; that the engine is away is told elsewhere.
            if (failure.Fault is EngineFault.NoContainer) Forget(id);
            else sample.Set(null, time);
        }
    }

    private sealed class Sample
    {
        private readonly Lock _lock = new();
        private InstanceUsage _usage;
        private long? _measuredAt;
        private bool _isQueued;

        public InstanceUsage Usage
        {
            get { lock (_lock) return _usage; }
        }

        public bool IsDue(TimeProvider time)
        {
            lock (_lock)
            {
                if (_isQueued || _measuredAt is { } then && time.GetElapsedTime(then) < Freshness) return false;
                return _isQueued = true;
            }
        }

        public void Set(InstanceUsage? usage, TimeProvider time)
        {
            lock (_lock) (_usage, _measuredAt, _isQueued) = (usage ?? _usage, time.GetTimestamp(), false);
        }
    }
}
