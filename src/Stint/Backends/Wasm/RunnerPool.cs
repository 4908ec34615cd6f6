//                    a call wants one                    it is given back
//   (none) ──start──▶ idle ───────────▶ at work ───────────────────────▶ idle, or at once to the call that has waited longest
//                       │                  │ died, was killed
//                       ▼ too many         ▼
//                     gone ◀────────────  gone ──▶ another is started, if calls wait or too few are left
//
// A call that finds none idle has one started for it, up to `most`, and takes whichever is free first.
using System.Diagnostics.CodeAnalysis;

namespace Stint.Backends.Wasm;

/// <summary>Runners, and the calls that wait for one: first come, first served, whosever function it is.</summary>
internal sealed class RunnerPool : IAsyncDisposable
{
    // What a new runner compiles before its first call, of what was used last: more would keep calls waiting.
    private const int PreloadedModules = 32;
    private const long PreloadedBytes = 4L << 20;

    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly RunnerServices _services;
    private readonly RunnerPoolSize _size;
    private readonly TimeProvider _time;
    private readonly ITimer _trimming;
    private readonly Lock _lock = new();
    private readonly List<Runner> _idle = []; // the most recently used last
    private readonly HashSet<Runner> _all = [];
    private readonly LinkedList<Waiter> _waiting = [];
    private readonly LinkedList<WasmFunction> _recent = []; // the most recently loaded first
    private readonly HashSet<Task> _endings = [];
    private readonly CancellationTokenSource _stop = new();
    private int _starting;
    private int _failures; // starts that failed, in a row
    private bool _growsLater;
    private bool _isDisposed;

    /// <param name="services">What runners use.</param>
    /// <param name="size">How many there are, and how large.</param>
    /// <param name="time">For ages.</param>
    public RunnerPool(RunnerServices services, RunnerPoolSize size, TimeProvider time)
    {
        (_services, _size, _time) = (services, size, time);
        _trimming = time.CreateTimer(static pool => ((RunnerPool)pool!).Trim(), this, IdleLimit, IdleLimit);
    }

    /// <summary>Runners that run, and of them those that are idle.</summary>
    public (int All, int Idle) Count
    {
        get
        {
            lock (_lock) return (_all.Count, _idle.Count);
        }
    }

    /// <summary>What all runners use.</summary>
    public InstanceUsage ReadUsage()
    {
        List<Runner> all;
        lock (_lock) all = [.. _all];
        return all.Select(static runner => runner.ReadUsage()).Aggregate(default(InstanceUsage), static (sum, one) => new(sum.MemoryBytes + one.MemoryBytes, sum.CpuTime + one.CpuTime));
    }

    /// <summary>Starts the runners that are kept, unless they run.</summary>
    public void Open()
    {
        lock (_lock) Grow_NeedsLock();
    }

    /// <summary>A runner, as soon as one is free: one that has the module, if there is a choice.</summary>
    /// <exception cref="InstanceStartException">There is none, and none can be started.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> fired.</exception>
    public ValueTask<Runner> TakeAsync(string hash, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_isDisposed) throw new InstanceStartException("the daemon is shutting down");
            if (TakeIdle_NeedsLock(hash) is { } runner)
            {
                Grow_NeedsLock(); // others may have been found dead
                return new(runner);
            }
            var waiter = new Waiter();
            var place = _waiting.AddLast(waiter);
            Grow_NeedsLock();
            return WaitAsync(place, cancellationToken);
        }
    }

    /// <summary>Gives a runner back; one that has ended is replaced as needed.</summary>
    public void Return(Runner runner)
    {
        lock (_lock)
        {
            if (runner.IsEnded || _isDisposed)
            {
                Drop_NeedsLock(runner);
                Grow_NeedsLock();
                return;
            }
            Hand_NeedsLock(runner);
        }
    }

    /// <summary>Has a function's module compiled by the runners that are idle now and do not have it, one after the other; the first to compile it decides whether it is valid.</summary>
    /// <exception cref="InstanceStartException">It is not.</exception>
    public async Task LoadAsync(WasmFunction function, CancellationToken cancellationToken)
    {
        await LoadFirstAsync(function, cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            _recent.Remove(function);
            _recent.AddFirst(function);
            if (_recent.Count > PreloadedModules) _recent.RemoveLast();
            if (!_isDisposed) Follow_NeedsLock(LoadOthersAsync(function));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task[] endings;
        lock (_lock)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            foreach (var waiter in _waiting) waiter.Source.TrySetException(new InstanceStartException("the daemon is shutting down"));
            _waiting.Clear();
            foreach (var runner in _all.ToList())
            {
                if (!_idle.Contains(runner)) runner.Kill();
                Drop_NeedsLock(runner);
            }
            endings = [.. _endings];
        }
        await _stop.CancelAsync().ConfigureAwait(false);
        await _trimming.DisposeAsync().ConfigureAwait(false);
        await Task.WhenAll(endings).ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task LoadFirstAsync(WasmFunction function, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var runner = await TakeAsync(function.Hash, cancellationToken).ConfigureAwait(false);
            try
            {
                await runner.LoadAsync(function, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (RunnerEndedException ended) when (attempt == 2)
            {
                throw new InstanceStartException($"the module cannot be compiled: {ended.Message}", ended);
            }
            catch (RunnerEndedException)
            {
                // It may have been the runner's fault, an earlier call's.
            }
            finally
            {
                Return(runner);
            }
        }
    }

    private async Task LoadOthersAsync(WasmFunction function)
    {
        while (true)
        {
            Runner? runner;
            lock (_lock)
            {
                runner = _idle.Find(one => !one.Has(function.Hash));
                if (runner is null || _isDisposed) return;
                _idle.Remove(runner);
            }
            try
            {
                await runner.LoadAsync(function, _stop.Token).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is RunnerEndedException or InstanceStartException or OperationCanceledException)
            {
                return; // the first call says so
            }
            finally
            {
                Return(runner);
            }
        }
    }

    private async ValueTask<Runner> WaitAsync(LinkedListNode<Waiter> place, CancellationToken cancellationToken)
    {
        var source = place.Value.Source;
        using var registration = cancellationToken.UnsafeRegister(_ =>
        {
            lock (_lock)
            {
                if (place.List is not null) _waiting.Remove(place);
            }
            source.TrySetCanceled(cancellationToken);
        }, null);
        return await source.Task.ConfigureAwait(false);
    }

    private Runner? TakeIdle_NeedsLock(string hash)
    {
        for (var i = _idle.Count - 1; i >= 0; i--)
        {
            if (!_idle[i].IsEnded) continue;
            Drop_NeedsLock(_idle[i]); // it died while nobody looked
            i = Math.Min(i, _idle.Count);
        }
        if (_idle.Count == 0) return null;
        var index = _idle.FindLastIndex(runner => runner.Has(hash));
        if (index < 0) index = _idle.Count - 1;
        var taken = _idle[index];
        _idle.RemoveAt(index);
        return taken;
    }

    private void Hand_NeedsLock(Runner runner)
    {
        while (_waiting.First is { } first)
        {
            _waiting.RemoveFirst();
            if (first.Value.Source.TrySetResult(runner)) return;
        }
        runner.IdleSince = _time.GetTimestamp();
        _idle.Add(runner);
    }

    /// <summary>Starts what is missing: one for each call that waits, up to the most, and those that are kept.</summary>
    private void Grow_NeedsLock()
    {
        if (_isDisposed) return;
        while (_all.Count + _starting < _size.Most && (_starting < _waiting.Count || _all.Count + _starting < _size.Kept))
        {
            _starting++;
            Follow_NeedsLock(StartAsync());
        }
    }

    private async Task StartAsync()
    {
        await Task.Yield(); // not under the caller's lock
        Runner? runner = null;
        InstanceStartException? problem = null;
        try
        {
            runner = await Runner.StartAsync(_services, _size.MemoryMiB, _stop.Token).ConfigureAwait(false);
            await PreloadAsync(runner).ConfigureAwait(false);
        }
        catch (InstanceStartException failure)
        {
            problem = failure;
        }
        catch (OperationCanceledException)
        {
            problem = new InstanceStartException("the daemon is shutting down");
        }
        lock (_lock)
        {
            _starting--;
            if (runner is not null && !runner.IsEnded && !_isDisposed)
            {
                _failures = 0;
                _all.Add(runner);
                Hand_NeedsLock(runner);
                Follow_NeedsLock(WatchAsync(runner));
                return;
            }
            if (runner is not null) Follow_NeedsLock(runner.DisposeAsync().AsTask());
            // A second, and twice as long after each further failure.
            GrowLater_NeedsLock(TimeSpan.FromSeconds(Math.Min(IdleLimit.TotalSeconds, Pause.TotalSeconds * (1 << Math.Min(_failures++, 10)))));
            // Calls for which there is no hope; whoever comes later tries again.
            if (_all.Count > 0 || _starting > 0) return;
            problem ??= new InstanceStartException("a runner for WebAssembly ended as soon as it had started") { IsHostsFault = true };
            foreach (var waiter in _waiting) waiter.Source.TrySetException(problem);
            _waiting.Clear();
        }
    }

    /// <summary>Replaces a runner that died while it was idle. One at work is whoever's who has it.</summary>
    private async Task WatchAsync(Runner runner)
    {
        await runner.Exited.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        lock (_lock)
        {
            if (_isDisposed || !_idle.Contains(runner)) return;
            Drop_NeedsLock(runner);
            GrowLater_NeedsLock(Pause);
        }
    }

    /// <summary>Starts what is missing, but not at once: those that die as soon as they run are not started without end. Calls have theirs at once.</summary>
    private void GrowLater_NeedsLock(TimeSpan pause)
    {
        if (_growsLater || _isDisposed) return;
        _growsLater = true;
        Follow_NeedsLock(GrowLaterAsync(pause));
    }

    private async Task GrowLaterAsync(TimeSpan pause)
    {
        try
        {
            await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return;
        }
        lock (_lock)
        {
            _growsLater = false;
            Grow_NeedsLock();
        }
    }

    private async Task PreloadAsync(Runner runner)
    {
        List<WasmFunction> recent;
        lock (_lock) recent = [.. _recent];
        var bytes = 0L;
        foreach (var function in recent)
        {
            if (new FileInfo(function.ModulePath) is not { Exists: true } file || (bytes += file.Length) > PreloadedBytes) continue; // removed since, or large
            try
            {
                await runner.LoadAsync(function, _stop.Token).ConfigureAwait(false);
            }
            catch (InstanceStartException)
            {
                // Removed in between.
            }
            catch (RunnerEndedException)
            {
                return;
            }
        }
    }

    /// <summary>Lets runners go that are more than are kept and have had nothing to do.</summary>
    private void Trim()
    {
        lock (_lock)
        {
            while (_all.Count > _size.Kept && _idle.Count > 0 && _time.GetElapsedTime(_idle[0].IdleSince) >= IdleLimit) Drop_NeedsLock(_idle[0]);
        }
    }

    private void Drop_NeedsLock(Runner runner)
    {
        _idle.Remove(runner);
        if (_all.Remove(runner)) Follow_NeedsLock(runner.DisposeAsync().AsTask());
    }

    /// <summary>Remembers what must have ended before the pool has.</summary>
    [SuppressMessage("Reliability", "MA0134", Justification = "the continuation forgets it")]
    private void Follow_NeedsLock(Task task)
    {
        _endings.Add(task);
        _ = task.ContinueWith(done => { lock (_lock) _endings.Remove(done); }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private sealed class Waiter
    {
        public TaskCompletionSource<Runner> Source { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>How many runners a pool has.</summary>
/// <param name="Kept">Those that stay when nothing is to do.</param>
/// <param name="Most">At most.</param>
/// <param name="MemoryMiB">Memory of each.</param>
internal readonly record struct RunnerPoolSize(int Kept, int Most, int MemoryMiB);
