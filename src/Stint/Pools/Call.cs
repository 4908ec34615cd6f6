using System.Threading.Tasks.Sources;
using Stint.Invocations;

namespace Stint.Pools;

/// <summary>
/// One invocation on its way through a pool: it may wait, it has one deadline, its caller may leave. The pool keeps used ones, so a warm call allocates none of this.
/// </summary>
/// <remarks>
/// <see cref="IsQueued"/>, the neighbours and <see cref="Answer"/> are guarded by the pool's lock; the rest belongs to the one asynchronous flow that carries the call.
/// </remarks>
internal sealed class Call : IValueTaskSource<Lease>, IThreadPoolWorkItem
{
    /// <summary>
    /// Calls that may start one inside the other on one stack. A call that ends starts the next one before it returns, and when an instance answers on the spot, that next one
    /// ends too and starts a third. Eight frames are enough to keep the sockets busy.
    /// </summary>
    private const int MaxDepth = 8;

    [ThreadStatic] private static int s_depth;

    private readonly FunctionPool _pool;
    private readonly CancellationTokenSource _deadline;
    private ManualResetValueTaskSourceCore<Lease> _wait;
    private CancellationTokenRegistration _caller;
    private bool _watchesCaller;
    private volatile bool _callerLeft;

    /// <param name="pool">The pool that owns it.</param>
    /// <param name="time">The clock of the deadline.</param>
    public Call(FunctionPool pool, TimeProvider time) =>
        (_pool, _deadline) = (pool, new CancellationTokenSource(Timeout.InfiniteTimeSpan, time));

    /// <summary>What is asked.</summary>
    public Invocation Invocation { get; set; } = null!;

    /// <summary>When it came; set only when somebody will ask.</summary>
    public TimeSpan ArrivedAt { get; set; }

    /// <summary>Whether it waits.</summary>
    public bool IsQueued { get; set; }

    /// <summary>Neighbours in the queue; owned by <see cref="CallQueue"/>.</summary>
    public Call? Before { get; set; }

    /// <inheritdoc cref="Before"/>
    public Call? Behind { get; set; }

    /// <summary>What the wait ended with: set under the pool's lock, told by <see cref="Wake"/> outside it.</summary>
    public Lease Answer { get; set; }

    /// <summary>Whether the caller has gone, as opposed to the deadline having passed.</summary>
    public bool CallerLeft => _callerLeft;

    /// <summary>Fires at the deadline or when the caller leaves.</summary>
    public CancellationToken Token => _deadline.Token;

    /// <summary>Ends with what <see cref="Wake"/> told. Awaited once.</summary>
    public ValueTask<Lease> WaitAsync() => new(this, _wait.Version);

    /// <summary>Listens for the caller's leaving, from now until <see cref="TryReset"/>.</summary>
    public void WatchCaller(CancellationToken gone)
    {
        if (!gone.CanBeCanceled) return;
        _watchesCaller = true;
        _caller = gone.UnsafeRegister(static state => ((Call)state!).LeaveCaller(), this);
    }

    /// <summary>Starts the deadline; the token is for the instance.</summary>
    public CancellationToken Begin(TimeSpan limit)
    {
        if (limit < TimeSpan.FromMilliseconds(int.MaxValue)) _deadline.CancelAfter(limit > TimeSpan.Zero ? limit : TimeSpan.Zero);
        return _deadline.Token;
    }

    /// <summary>No deadline any more; the token still fires when the caller leaves.</summary>
    public void EndDeadline() => _deadline.CancelAfter(Timeout.InfiniteTimeSpan);

    /// <summary>Tells the waiting flow its <see cref="Answer"/> and runs it here and now, so that the next request is with the instance before the last answer is written out.</summary>
    public void Wake()
    {
        if (s_depth >= MaxDepth) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);
        else Execute();
    }

    /// <inheritdoc/>
    public void Execute()
    {
        s_depth++;
        try
        {
            _wait.SetResult(Answer);
        }
        finally
        {
            s_depth--;
        }
    }

    /// <summary>
    /// Ends the deadline and the watch over the caller; true when the object can carry another call. It cannot when either has fired, or is just firing on another thread, or
    /// when the clock is not the system's (whose timers alone can say that they did not fire).
    /// </summary>
    public bool TryReset()
    {
        var callerIsQuiet = !_watchesCaller || _caller.Unregister();
        (_caller, _watchesCaller) = (default, false);
        if (!callerIsQuiet) return false;
        if (!_deadline.TryReset())
        {
            _deadline.Dispose();
            return false;
        }
        _wait.Reset();
        (Invocation, Answer) = (null!, default);
        return true;
    }

    private void LeaveCaller()
    {
        _callerLeft = true;
        if (!_pool.RefuseWaiting(this)) _deadline.Cancel();
    }

    Lease IValueTaskSource<Lease>.GetResult(short token) => _wait.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<Lease>.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource<Lease>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);
}

/// <summary>What a call gets from the pool: a slot of an instance, or the reason why not. Both are null for a call that has to wait.</summary>
internal readonly record struct Lease(PooledInstance? Instance, Reply? Refusal);
