using System.Runtime.CompilerServices;
using Stint.Backends;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Pools;

//              StartAsync                first call               last call ended
//   (budget) ───────────▶ Starting ────▶ Idle ⇄ Busy  ◀──────────────────┐
//                            │             │      │ deployment, shutdown, │ another waits: the slot passes on
//          failed, given up  │  keep-alive │      │ yield, single use     │ without the instance going idle
//                            ▼   eviction  ▼      ▼                       │
//                          gone ◀── Dead ◀──── Draining                 Busy
//                                    ▲
//                                    └── from anywhere: it died, broke its contract, did not let go of a call, or did not answer a probe
//
// Draining instances take no more calls. A call: Admit → [queue] → lease → instance → reply → Release. Decisions are the Dispatcher's, made under the one lock; this class does what follows from them, outside it.

/// <summary>
/// All instances of one function and the calls that wait for them, from its first deployment to its removal; new versions pass through it.
/// </summary>
internal sealed class FunctionPool : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dispatcher _dispatcher;
    private readonly HostBudget _budget;
    private readonly PoolOptions _options;
    private readonly Func<FunctionVersion, IBackend> _backends;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly TaskCompletionSource _emptied = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _dissolved;
    private long _typicalRun;

    /// <param name="version">The first version; <see cref="Open"/> starts what it wants warm.</param>
    /// <param name="backends">The backend that runs a version.</param>
    /// <param name="budget">The host's room, shared with all pools.</param>
    /// <param name="options">Rules for all pools.</param>
    /// <param name="time">The clock of everything.</param>
    /// <param name="logger">For what an operator should know.</param>
    public FunctionPool(FunctionVersion version, Func<FunctionVersion, IBackend> backends, HostBudget budget, PoolOptions options, TimeProvider time, ILogger logger)
    {
        (Name, _backends, _budget, _options, _time, _logger) = (version.Name, backends, budget, options, time, logger);
        _dispatcher = new Dispatcher(this, version, budget, options, time);
    }

    /// <summary>The function.</summary>
    public FunctionName Name { get; }

    /// <summary>What the pool has done; free of locks.</summary>
    public PoolCounters Counters { get; } = new();

    /// <summary>Calls that wait now; free of locks.</summary>
    public int QueueLength => _dispatcher.QueueLength;

    /// <summary>Instances in a state now; free of locks.</summary>
    public int Count(InstanceState state) => _dispatcher.Instances.Count(state);

    /// <summary>How long calls took of late from an instance's taking them to the answer, roughly; null when none has been answered. Free of locks.</summary>
    public TimeSpan? TypicalRun => Volatile.Read(ref _typicalRun) is > 0 and var ticks ? TimeSpan.FromTicks(ticks) : null;

    /// <summary>Starts the instances that <c>min-instances</c> keeps warm.</summary>
    public void Open()
    {
        Consequences then = default;
        lock (_lock) _dispatcher.Plan(ref then);
        CarryOut(ref then);
    }

    /// <summary>Runs one call. Never throws; the result is awaited once.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<Reply> InvokeAsync(Invocation invocation)
    {
        if (invocation.CallerGone.IsCancellationRequested) return Counted(Refusals.CallerLeft(Name));
        if (invocation.CallerTimeout <= TimeSpan.Zero) return Counted(Refusals.CallerHadNoTime(Name));
        var arrived = _dispatcher.Now;
        // A call that would only have waited elsewhere is not one that was shed: it goes on to another machine.
        if (Admit(invocation, out var lease) is not { } call) return invocation.IsDeclined(lease.Refusal!) ? lease.Refusal! : Counted(lease.Refusal!);
        call.WatchCaller(invocation.CallerGone);
        var begun = arrived;
        if (lease.Instance is null)
        {
            lease = await call.WaitAsync().ConfigureAwait(false);
            if (lease.Refusal is { } refusal)
            {
                call.TryReset();
                return Counted(refusal);
            }
            begun = _dispatcher.Now;
            Counters.QueueWaits.Record(begun - call.ArrivedAt);
        }
        var instance = lease.Instance!;
        var (limit, isCallers) = Limit(call, instance.Version);
        Reply reply;
        try
        {
            var token = call.Begin(limit);
            reply = invocation.Starting is { } starting && !await HasBegunAsync(starting, token).ConfigureAwait(false)
                ? Refusals.CallerLeft(Name)
                : await instance.Sandbox!.InvokeAsync(invocation, token).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            PoolLog.BackendFault(_logger, exception, Name);
            reply = Refusals.Broken(instance.Version, exception);
        }
        if (reply.Outcome == Outcome.Cancelled && call.Token.IsCancellationRequested)
        {
            reply = call.CallerLeft ? Refusals.CallerLeft(Name, reply.Completion) : Refusals.TimedOut(instance.Version, isCallers, reply.Completion);
        }
        else if (reply.Outcome == Outcome.Crashed && instance.Verdict is { } verdict)
        {
            reply = Reply.Failure(Outcome.Crashed, verdict);
        }
        var ended = _dispatcher.Now;
        Counters.Ended(reply, ended - arrived);
        if (reply.Outcome == Outcome.Answered) Learn(ended - begun);
        // The function's timeout is for its answer: what it agreed to talk about afterwards may take all day.
        if (reply.Tunnel is not null) call.EndDeadline();
        var broke = reply is { Outcome: Outcome.Crashed or Outcome.ContractBroken, InstanceGoesOn: false };
        if (reply.Completion is { } completion) _ = ReleaseLaterAsync(call, instance, completion, reply.Outcome, broke);
        else Release(call, instance, reply.Outcome, !broke, reply.Error ?? "");
        return reply;
    }

    /// <summary>
    /// Brings a new version into service; see <see cref="Dispatcher.Deploy"/>. The result ends when it serves (null) or has been given up (why, in one line; the old version goes on serving).
    /// </summary>
    public Task<string?> Deploy(FunctionVersion version)
    {
        Consequences then = default;
        Task<string?> done;
        lock (_lock) done = _dispatcher.Deploy(version, ref then);
        CarryOut(ref then);
        return done;
    }

    /// <summary>Replaces all instances by new ones of the same version, as a deployment does: old ones serve until new ones do. The result ends as that of <see cref="Deploy"/>.</summary>
    public async Task<string?> RenewAsync()
    {
        while (true)
        {
            Consequences then = default;
            bool isDeploying;
            Task<string?> done;
            lock (_lock)
            {
                isDeploying = _dispatcher.NextVersion is not null;
                done = _dispatcher.Renew(ref then);
            }
            CarryOut(ref then);
            var problem = await done.ConfigureAwait(false);
            if (!isDeploying && problem is not Deployment.Overtaken) return problem;
        }
    }

    /// <summary>
    /// Takes no more calls, lets running ones end within <paramref name="limit"/>, kills what is left then, and returns when no instance exists any more. Calls that wait are answered
    /// <see cref="Outcome.Unavailable"/>. May be called again with another limit; the shorter one counts.
    /// </summary>
    public Task DrainAsync(TimeSpan limit) => CloseAsync(Refusals.ShuttingDown, limit);

    /// <summary>The function was removed: as <see cref="DrainAsync"/>, with as much time as its calls have, and those that wait are answered <see cref="Outcome.NotFound"/>.</summary>
    public Task RemoveAsync()
    {
        TimeSpan limit;
        lock (_lock) limit = _dispatcher.Version.Spec.Timeout + _options.CancelGrace;
        return CloseAsync(Refusals.Removed, limit);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => new(DrainAsync(TimeSpan.Zero));

    /// <summary>The pool at this moment.</summary>
    public PoolView Describe()
    {
        List<IInstance?> sandboxes;
        PoolView view;
        lock (_lock)
        {
            sandboxes = [.. _dispatcher.Instances.All.Select(static instance => instance.IsDisposing ? null : instance.Sandbox)];
            var (now, utc) = (_dispatcher.Now, _time.GetUtcNow());
            view = new PoolView
            {
                Name = Name,
                VersionId = _dispatcher.Version.Id,
                NextVersionId = _dispatcher.NextVersion?.Id,
                QueueLength = _dispatcher.QueueLength,
                Problem = _dispatcher.Problem(),
                NextRetry = utc + _dispatcher.RetryIn,
                Instances = [.. _dispatcher.Instances.All.Select(instance => new InstanceView
                {
                    Id = instance.Sandbox?.Id,
                    VersionId = instance.Version.Id,
                    State = instance.State,
                    InFlight = instance.InFlight,
                    StartedAt = instance.StartedAt,
                    LastUsed = instance.Sandbox is null ? null : utc - (now - instance.LastUsed),
                    Usage = default,
                })],
            };
        }
        // Reading what the kernel knows takes its time: not under the lock.
        return view with { Instances = [.. view.Instances.Select((instance, index) => instance with { Usage = sandboxes[index]?.ReadUsage() ?? default })] };
    }

    /// <summary>Why the function does not run as it should, and what remains until the next try; both null when all is well.</summary>
    public (string? Problem, TimeSpan? RetryIn) Health
    {
        get { lock (_lock) return (_dispatcher.Problem(), _dispatcher.RetryIn); }
    }

    /// <summary>Resident memory of its instances together, bytes, as far as the host can tell.</summary>
    public long ReadMemory()
    {
        IInstance?[] sandboxes;
        lock (_lock)
        {
            if (_dispatcher.Instances.All.Count == 0) return 0;
            sandboxes = [.. _dispatcher.Instances.All.Select(static instance => instance.IsDisposing ? null : instance.Sandbox)];
        }
        return sandboxes.Sum(static sandbox => sandbox?.ReadUsage().MemoryBytes ?? 0);
    }

    /// <summary>A caller left: answers its call if that still waits. False when it does not. For <see cref="Call"/>.</summary>
    public bool RefuseWaiting(Call call)
    {
        Consequences then = default;
        bool waited;
        lock (_lock) waited = _dispatcher.LeaveQueue(call, ref then);
        CarryOut(ref then);
        return waited;
    }

    /// <summary>The pool's alarm rang.</summary>
    public void Ring()
    {
        Consequences then = default;
        lock (_lock) _dispatcher.Rang(ref then);
        CarryOut(ref then);
    }

    /// <summary>There is room for a start of this pool. For <see cref="HostBudget"/>.</summary>
    public void YourTurn()
    {
        Consequences then = default;
        lock (_lock) _dispatcher.Plan(ref then, myTurn: true);
        CarryOut(ref then);
    }

    /// <summary>The version that new calls go to.</summary>
    public FunctionVersion Version
    {
        get { lock (_lock) return _dispatcher.Version; }
    }

    /// <summary>Calls that run or wait now.</summary>
    public int InFlight
    {
        get { lock (_lock) return _dispatcher.InFlight; }
    }

    /// <summary>Instances that are kept warm now.</summary>
    public int Minimum
    {
        get { lock (_lock) return _dispatcher.Minimum; }
    }

    /// <inheritdoc cref="Dispatcher.Want"/>
    public void Want(int? instances)
    {
        Consequences then = default;
        lock (_lock) _dispatcher.Want(instances, ref then);
        CarryOut(ref then);
    }

    /// <inheritdoc cref="Dispatcher.IdleFor"/>
    public TimeSpan? IdleFor(bool withinMinimum)
    {
        lock (_lock) return _dispatcher.IdleFor(withinMinimum);
    }

    /// <inheritdoc cref="Dispatcher.GiveUpIdle"/>
    public bool GiveUpIdle(bool withinMinimum)
    {
        Consequences then = default;
        bool gave;
        lock (_lock) gave = _dispatcher.GiveUpIdle(withinMinimum, ref then);
        CarryOut(ref then);
        return gave;
    }

    /// <summary>False when whoever sent the call is gone, so that it must not run.</summary>
    private static async ValueTask<bool> HasBegunAsync(Func<CancellationToken, ValueTask> starting, CancellationToken cancellationToken)
    {
        try
        {
            await starting(cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return false;
        }
    }

    private Call? Admit(Invocation invocation, out Lease lease)
    {
        Consequences then = default;
        Call? call;
        lock (_lock) call = _dispatcher.Admit(invocation, out lease, ref then);
        CarryOut(ref then);
        return call;
    }

    /// <summary>Ends a call's stay in its instance; whoever waits for the slot runs from here.</summary>
    private void Release(Call call, PooledInstance instance, Outcome outcome, bool usable, string error)
    {
        var spare = call.TryReset() ? call : null;
        Consequences then = default;
        Call? next;
        bool broke;
        lock (_lock)
        {
            broke = !usable && _dispatcher.Broke(instance, error);
            next = _dispatcher.Release(spare, instance, usable, ref then);
        }
        next?.Wake();
        if (broke && outcome == Outcome.Crashed) Counters.Died();
        else if (broke) Counters.Replace();
        if (broke) PoolLog.InstanceDied(_logger, Name, instance.Sandbox!.Id, error);
        CarryOut(ref then);
    }

    /// <summary>
    /// Holds the slot of a call that has been answered but still goes on in its instance: its body is being streamed, or it was cancelled. The deadline still applies; after it, or after the
    /// cancellation, the instance has the grace period to let go.
    /// </summary>
    private async Task ReleaseLaterAsync(Call call, PooledInstance instance, Task<bool> completion, Outcome outcome, bool broke)
    {
        if (!call.Token.IsCancellationRequested)
            await ((Task)completion.WaitAsync(call.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!completion.IsCompleted)
            await ((Task)completion.WaitAsync(_options.CancelGrace, _time)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var stuck = !completion.IsCompleted;
        if (stuck) PoolLog.InstanceStuck(_logger, Name, instance.Sandbox!.Id, Refusals.Seconds(_options.CancelGrace));
        var usable = completion.IsCompletedSuccessfully && await completion.ConfigureAwait(false) && !broke;
        Release(call, instance, outcome, usable, stuck ? "an instance did not let go of a cancelled call and was killed" : "an instance broke off a call");
    }

    // An eighth of each; two that write at once lose one of them, which matters to nobody.
    private void Learn(TimeSpan run)
    {
        var typical = Volatile.Read(ref _typicalRun);
        Volatile.Write(ref _typicalRun, typical == 0 ? Math.Max(1, run.Ticks) : Math.Max(1, typical + (run.Ticks - typical) / 8));
    }

    private (TimeSpan Limit, bool IsCallers) Limit(Call call, FunctionVersion version)
    {
        var limit = version.Spec.Timeout;
        if (call.Invocation.CallerTimeout is not { } own) return (limit, false);
        var remaining = own - (_dispatcher.Now - call.ArrivedAt);
        return remaining < limit ? (remaining, true) : (limit, false);
    }

    private Reply Counted(Reply reply)
    {
        Counters.Ended(reply.Outcome);
        return reply;
    }

    /// <summary>Does what was decided, outside the lock: first the calls, then what frees room, then what takes it.</summary>
    private void CarryOut(ref Consequences then)
    {
        if (then.Woken is { } woken)
            foreach (var call in woken) call.Wake();
        if (then.Abandoned is { } abandoned)
            foreach (var instance in abandoned) Abandon(instance);
        if (then.Probed is { } probed)
            foreach (var instance in probed) _ = ProbeAsync(instance);
        if (then.Disposed is { } disposed)
            foreach (var instance in disposed) _ = DiscardAsync(instance);
        if (then.Started is { } started)
            foreach (var instance in started) _ = StartAsync(instance);
        if (then.Deployed is { } deployed)
            foreach (var (deployment, problem) in deployed) End(deployment, problem);
        if (then.Settles) _budget.Settle();
        if (then.Emptied && Interlocked.Exchange(ref _dissolved, 1) == 0)
        {
            _dispatcher.Dispose();
            _emptied.TrySetResult();
        }
    }

    private void End(Deployment deployment, string? problem)
    {
        if (problem is null) PoolLog.Deployed(_logger, Name, deployment.Version.Id);
        else PoolLog.NotDeployed(_logger, Name, deployment.Version.Id, problem);
        deployment.End(problem);
    }

    private void Abandon(PooledInstance instance)
    {
        CancellationTokenSource? limit;
        lock (_lock) limit = instance.StartLimit;
        limit?.Cancel();
    }

    private async Task StartAsync(PooledInstance instance)
    {
        var (version, asked, limit) = (instance.Version, _time.GetTimestamp(), instance.StartLimit!);
        IInstance? sandbox = null;
        var error = "";
        try
        {
            sandbox = await _backends(version).StartAsync(version, limit.Token).ConfigureAwait(false);
        }
        catch (InstanceStartException exception)
        {
            error = exception.Message;
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            error = $"it was not ready within {Refusals.Seconds(version.Spec.BootTimeout)} (boot-timeout)";
        }
        catch (Exception exception)
        {
            PoolLog.BackendFault(_logger, exception, Name);
            error = exception.Message;
        }

        // Stops its timer; not disposed of, because the pool may be giving the start up at this very moment.
        limit.CancelAfter(Timeout.InfiniteTimeSpan);

        Consequences then = default;
        if (sandbox is null)
        {
            if (!instance.Abandoned)
            {
                Counters.StartFailed();
                PoolLog.StartFailed(_logger, Name, error);
            }
            lock (_lock) _dispatcher.StartFailed(instance, error, ref then);
            CarryOut(ref then);
            return;
        }
        var took = _time.GetElapsedTime(asked);
        Counters.Started(took);
        PoolLog.InstanceReady(_logger, Name, sandbox.Id, (long)took.TotalMilliseconds);
        bool wanted;
        lock (_lock) wanted = _dispatcher.BecameReady(instance, sandbox, ref then);
        CarryOut(ref then);
        if (wanted) await WatchAsync(instance, sandbox).ConfigureAwait(false);
    }

    private async Task WatchAsync(PooledInstance instance, IInstance sandbox)
    {
        var reason = await sandbox.Ended.ConfigureAwait(false);
        Consequences then = default;
        bool died;
        lock (_lock) died = _dispatcher.Ended(instance, reason, ref then);
        if (died)
        {
            Counters.Died();
            PoolLog.InstanceDied(_logger, Name, sandbox.Id, reason);
        }
        CarryOut(ref then);
    }

    private async Task ProbeAsync(PooledInstance instance)
    {
        using var limit = new CancellationTokenSource(instance.Version.Spec.HealthTimeout, _time);
        var isWell = false;
        try
        {
            isWell = await instance.Sandbox!.ProbeAsync(limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            PoolLog.BackendFault(_logger, exception, Name);
        }
        Consequences then = default;
        bool replaced;
        lock (_lock) replaced = _dispatcher.Probed(instance, isWell, ref then);
        if (replaced)
        {
            Counters.Replace();
            PoolLog.InstanceUnwell(_logger, Name, instance.Sandbox!.Id, Refusals.Seconds(instance.Version.Spec.HealthTimeout));
        }
        CarryOut(ref then);
    }

    private async Task DiscardAsync(PooledInstance instance)
    {
        try
        {
            await instance.Sandbox!.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            PoolLog.BackendFault(_logger, exception, Name);
        }
        Consequences then = default;
        lock (_lock) _dispatcher.Gone(instance, ref then);
        CarryOut(ref then);
    }

    private async Task CloseAsync(Func<FunctionName, Reply> refusal, TimeSpan limit)
    {
        Consequences then = default;
        lock (_lock) _dispatcher.Close(refusal, ref then);
        CarryOut(ref then);
        if (!_emptied.Task.IsCompleted)
            await _emptied.Task.WaitAsync(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Consequences end = default;
        lock (_lock) _dispatcher.Kill(ref end);
        CarryOut(ref end);
        await _emptied.Task.ConfigureAwait(false);
    }
}
