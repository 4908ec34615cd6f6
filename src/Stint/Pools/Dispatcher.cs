using Stint.Backends;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Pools;

// The plan of this file: every decision of a pool, none of its actions.
//
//   calls        Admit → Release, LeaveQueue          a slot, a place in the queue, or a refusal
//   instances    BecameReady, StartFailed, Ended, Probed, Gone  what becomes of the calls, and what comes next
//   versions     Deploy, Switch                        old ones serve until new ones are healthy
//   time, room   Rang, IdleFor, GiveUpIdle, Close      keep-alive, limits, backoff; other functions' needs
//   the plan     Plan                                  exactly as many starts as the queue justifies
//
// What a decision entails (calls to wake, instances to start or to dispose of) is collected in `Consequences`, and FunctionPool carries it out after it has left the lock.

/// <summary>
/// The rules by which a pool's calls find its instances. Synchronous, and without a lock of its own: <see cref="FunctionPool"/> calls every member under the pool's lock, unless the member says otherwise.
/// </summary>
internal sealed class Dispatcher : IDisposable
{
    private const int SpareCalls = 256;

    private readonly FunctionPool _pool;
    private readonly HostBudget _budget;
    private readonly BudgetAccount _account;
    private readonly PoolOptions _options;
    private readonly TimeProvider _time;
    private readonly long _origin;
    private readonly PoolAlarm _alarm;
    private readonly Backoff _backoff;
    private readonly CallQueue _queue = new();
    private readonly Stack<Call> _spareCalls = [];
    private Deployment? _deployment;
    private int? _wanted;
    private string? _deploymentProblem;
    private Func<FunctionName, Reply>? _closed;

    /// <param name="pool">The pool that it decides for.</param>
    /// <param name="version">The first version.</param>
    /// <param name="budget">The host's room.</param>
    /// <param name="options">Rules for all pools.</param>
    /// <param name="time">The clock.</param>
    public Dispatcher(FunctionPool pool, FunctionVersion version, HostBudget budget, PoolOptions options, TimeProvider time)
    {
        (_pool, Version, _budget, _options, _time, _origin) = (pool, version, budget, options, time, time.GetTimestamp());
        _account = budget.Open(pool);
        _backoff = new Backoff(options);
        _alarm = new PoolAlarm(time, pool.Ring);
    }

    /// <summary>The version that new calls go to.</summary>
    public FunctionVersion Version { get; private set; }

    /// <summary>The pool's instances; their counts need no lock.</summary>
    public InstanceSet Instances { get; } = new();

    /// <summary>Calls that wait. Needs no lock.</summary>
    public int QueueLength => _queue.Count;

    /// <summary>Calls that run or wait.</summary>
    public int InFlight => _queue.Count + Instances.All.Sum(static instance => instance.InFlight);

    /// <summary>The pool's clock: time since it was made. Needs no lock.</summary>
    public TimeSpan Now => _time.GetElapsedTime(_origin);

    /// <summary>The version that boots to take over.</summary>
    public FunctionVersion? NextVersion => _deployment?.Version;

    /// <summary>Instances that are kept warm: what somebody wanted meanwhile, else <c>min-instances</c>.</summary>
    public int Minimum => Math.Min(_wanted ?? Version.Spec.MinInstances, Version.Spec.MaxInstances);

    /// <summary>Whether the pool takes no more calls.</summary>
    public bool IsClosed => _closed is not null;

    // ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Takes a call in: a slot at once, a place in the queue (an empty lease), or a refusal (and no <see cref="Call"/>).</summary>
    public Call? Admit(Invocation invocation, out Lease lease, ref Consequences then)
    {
        if (_queue.Count == 0 && _closed is null && Instances.TakeSlot() is { } instance)
        {
            lease = new Lease(instance, null);
            var call = Rent(invocation);
            if (invocation.CallerTimeout is not null) call.ArrivedAt = Now;
            if (Version.Spec.SingleUse && (Version.Spec.Ahead > 0 || Minimum > 0)) Plan(ref then);
            return call;
        }
        if (Refuse(invocation) is { } refusal)
        {
            lease = new Lease(null, refusal);
            return null;
        }
        if (invocation.Wait == CallWait.Never)
        {
            lease = new Lease(null, Refusals.Busy(Version));
            return null;
        }
        lease = default;
        var waiting = Rent(invocation);
        waiting.ArrivedAt = Now;
        _queue.Enqueue(waiting);
        Plan(ref then);
        if (invocation.Wait != CallWait.InQueue && !StartsCoverQueue())
        {
            // Other machines may do better; if none does, it comes back and waits.
            _queue.Remove(waiting);
            waiting.Invocation = null!;
            if (_spareCalls.Count < SpareCalls) _spareCalls.Push(waiting);
            Plan(ref then);
            lease = new Lease(null, Refusals.Busy(Version));
            return null;
        }
        _alarm.Set(GivesUpAt(waiting, isServed: false), waiting.ArrivedAt);
        return waiting;
    }

    /// <summary>Whether all waiting calls get an instance that is being started, if all starts succeed.</summary>
    private bool StartsCoverQueue() => SlotsOfStarts() >= _queue.Count;

    /// <summary>How many of the first waiting calls get an instance that is being started, if all starts succeed.</summary>
    private int SlotsOfStarts() => Instances.Count(Version, InstanceState.Starting, InstanceState.Starting) * Slots;

    /// <summary>Calls that an instance of the serving version takes at a time.</summary>
    private int Slots => Version.Spec.SingleUse ? 1 : Version.Spec.ConcurrentRequests;

    /// <summary>
    /// When a call stops waiting. Unless somebody said how long that is, one whose instance is being started, or is there, waits for it: that a host is slow (a container's first start on a small
    /// machine takes seconds) is no reason to refuse a call just before its turn.
    /// </summary>
    private TimeSpan GivesUpAt(Call call, bool isServed)
    {
        var spec = Version.Spec;
        var limit = isServed && spec.OwnQueueTimeout is null ? spec.QueueTimeout + spec.BootTimeout : spec.QueueTimeout;
        return call.ArrivedAt + Shorter(limit, call.Invocation.CallerTimeout);
    }

    /// <summary>Answers the calls that have waited too long, and says whether there were any; sets the alarm for the next one.</summary>
    private bool RefuseOverdue(ref Consequences then)
    {
        var (now, served, any) = (Now, SlotsOfStarts(), false);
        for (var call = _queue.First; call is not null;)
        {
            var behind = call.Behind;
            var until = GivesUpAt(call, served > 0);
            if (PoolAlarm.IsDue(until, now) && _queue.Remove(call))
            {
                then.Wake(call, new Lease(null, GaveUp(call)));
                any = true;
            }
            else
            {
                _alarm.Set(until, now);
                served--;
            }
            call = behind;
        }
        return any;
    }

    /// <summary>
    /// A call has left an instance. When others wait, its slot passes straight to the first of them, which is returned: the one wake-up of the busy path.
    /// </summary>
    /// <param name="call">The call, if its object can be used again.</param>
    /// <param name="instance">Where it was.</param>
    /// <param name="usable">Whether the instance can go on.</param>
    /// <param name="then">What else follows.</param>
    public Call? Release(Call? call, PooledInstance instance, bool usable, ref Consequences then)
    {
        if (call is not null && _spareCalls.Count < SpareCalls) _spareCalls.Push(call);
        instance.InFlight--;
        instance.LastUsed = Now;
        var recovered = usable && ReferenceEquals(instance.Version, Version) && _backoff.Served();
        var next = HandOn(instance, usable, ref then);
        if (recovered) Plan(ref then);
        return next;
    }

    private Call? HandOn(PooledInstance instance, bool usable, ref Consequences then)
    {
        if (!usable && instance.State is InstanceState.Busy or InstanceState.Draining)
        {
            Discard(instance, ref then);
            Plan(ref then);
            return null;
        }
        if (instance.State != InstanceState.Busy)
        {
            if (instance is { State: InstanceState.Draining, InFlight: 0 }) Discard(instance, ref then);
            return null;
        }
        if (instance.Spent)
        {
            Discard(instance, ref then);
            return null;
        }
        if (_queue.Count > 0)
        {
            if (_budget.IsContended && _budget.ShouldYield(_account, instance))
            {
                Drain(instance, ref then);
                _budget.Yield(instance);
                Plan(ref then);
                return null;
            }
            if (NextWaiting(ref then) is { } next)
            {
                Instances.Occupy(instance);
                next.Answer = new Lease(instance, null);
                if (_account.Urgent > 0) Plan(ref then);
                return next;
            }
        }
        Rest(instance, ref then);
        return null;
    }

    /// <summary>Takes a call out of the queue because its caller has left; false when it does not wait any more.</summary>
    public bool LeaveQueue(Call call, ref Consequences then)
    {
        if (!_queue.Remove(call)) return false;
        then.Wake(call, new Lease(null, Refusals.CallerLeft(Version.Name)));
        Plan(ref then);
        return true;
    }

    private Call Rent(Invocation invocation)
    {
        if (!_spareCalls.TryPop(out var call)) call = new Call(_pool, _time);
        call.Invocation = invocation;
        return call;
    }

    private Reply? Refuse(Invocation invocation)
    {
        if (_closed is not null) return _closed(Version.Name);
        if (_queue.Count >= Refusals.Limit(Version)) return Refusals.Shed(Version);
        if (!_budget.CanEverFit(HostBudget.MemoryOf(Version))) return Refusals.TooLarge(Version, _budget);
        if (_backoff.Streak == 0 || CanHope()) return null;
        var remaining = _backoff.Remaining(Now);
        return remaining > Shorter(Version.Spec.QueueTimeout, invocation.CallerTimeout) ? Refusals.BackingOff(Version, Problem(), remaining) : null;
    }

    /// <summary>Whether an instance is there, or on its way, that could take waiting calls.</summary>
    private bool CanHope() =>
        Instances.Count(Version, InstanceState.Idle, InstanceState.Busy) + Instances.Count(Version, InstanceState.Starting, InstanceState.Starting) > 0;

    /// <summary>The first waiting call that still wants an answer; the others on the way to it are answered.</summary>
    private Call? NextWaiting(ref Consequences then)
    {
        while (_queue.First is { } call)
        {
            _queue.Remove(call);
            if (call.Invocation.CallerGone.IsCancellationRequested) then.Wake(call, new Lease(null, Refusals.CallerLeft(Version.Name)));
            else if (PoolAlarm.IsDue(GivesUpAt(call, isServed: true), Now)) then.Wake(call, new Lease(null, GaveUp(call)));
            else return call;
        }
        return null;
    }

    private Reply GaveUp(Call call) => call.Invocation.CallerTimeout is { } own && PoolAlarm.IsDue(call.ArrivedAt + own, Now)
        ? Refusals.CallerTimedOutWaiting(Version)
        : Refusals.WaitedTooLong(Version, Problem(), _backoff.LastError is not null);

    // ── instances ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>An instance has booted. False when nobody wants it any more and it is on its way out.</summary>
    public bool BecameReady(PooledInstance instance, IInstance sandbox, ref Consequences then)
    {
        (instance.Sandbox, instance.StartLimit, instance.LastUsed) = (sandbox, null, Now);
        if (_closed is not null || instance.Abandoned || (!ReferenceEquals(instance.Version, Version) && !ReferenceEquals(instance.Version, NextVersion)))
        {
            Discard(instance, ref then);
            return false;
        }
        Instances.Move(instance, InstanceState.Idle);
        if (ReferenceEquals(instance.Version, Version))
        {
            _backoff.Booted();
            Offer(instance, ref then);
        }
        else if (Instances.Count(instance.Version, InstanceState.Idle, InstanceState.Busy) >= _deployment!.Target) Switch(ref then);
        Plan(ref then);
        return true;
    }

    /// <summary>A start has failed and left nothing behind. Answers the calls that depended on it.</summary>
    public void StartFailed(PooledInstance instance, string error, ref Consequences then)
    {
        instance.StartLimit = null;
        Forget(instance, ref then);
        if (instance.Abandoned || _closed is not null)
        {
            Plan(ref then);
            return;
        }
        if (ReferenceEquals(instance.Version, NextVersion))
        {
            AbandonDeployment($"version {Short(instance.Version)} did not boot: {error}; version {Short(Version)} still serves", ref then);
        }
        else if (ReferenceEquals(instance.Version, Version))
        {
            _backoff.BootFailed(error, Now);
            FailDependents(instance, error, ref then);
        }
        Plan(ref then);
        if (RefuseOverdue(ref then)) Plan(ref then);
    }

    /// <summary>An instance ended by itself. False when it was on its way out anyway.</summary>
    public bool Ended(PooledInstance instance, string reason, ref Consequences then)
    {
        if (instance.IsDisposing) return false;
        var served = instance.State is InstanceState.Idle or InstanceState.Busy && ReferenceEquals(instance.Version, Version);
        if (served) _backoff.Died($"an instance died: {reason}", Now);
        else if (ReferenceEquals(instance.Version, NextVersion))
        {
            AbandonDeployment($"version {Short(instance.Version)} died right after its start: {reason}; version {Short(Version)} still serves", ref then);
        }
        Discard(instance, ref then);
        Plan(ref then);
        return served;
    }

    /// <summary>An instance died of a call, broke its contract, or did not let go of a call. False when that is known already or it was on its way out.</summary>
    public bool Broke(PooledInstance instance, string reason)
    {
        if (instance.IsDisposing) return false;
        if (ReferenceEquals(instance.Version, Version)) _backoff.Died(reason, Now);
        return true;
    }

    /// <summary>A probe has ended. False when the instance is well, or on its way out anyway.</summary>
    public bool Probed(PooledInstance instance, bool isWell, ref Consequences then)
    {
        (instance.IsProbing, instance.LastProbed) = (false, Now);
        if (instance.IsDisposing) return false;
        if (isWell)
        {
            if (instance.State == InstanceState.Idle) ProbeLater(instance);
            return false;
        }
        instance.Verdict = Refusals.Unwell(instance.Version);
        if (ReferenceEquals(instance.Version, Version)) _backoff.Died(instance.Verdict, Now);
        Discard(instance, ref then);
        Plan(ref then);
        return true;
    }

    /// <summary>Has the alarm ring when an idle instance is to be probed.</summary>
    private void ProbeLater(PooledInstance instance)
    {
        if (Version.Spec.HealthInterval > TimeSpan.Zero) _alarm.Set(ProbeAt(instance), Now);
    }

    private TimeSpan ProbeAt(PooledInstance instance) => (instance.LastProbed > instance.LastUsed ? instance.LastProbed : instance.LastUsed) + Version.Spec.HealthInterval;

    /// <summary>An instance has been disposed of.</summary>
    public void Gone(PooledInstance instance, ref Consequences then)
    {
        Forget(instance, ref then);
        Plan(ref then);
    }

    private void Forget(PooledInstance instance, ref Consequences then)
    {
        Instances.Move(instance, InstanceState.Dead);
        Instances.Remove(instance);
        _budget.Free(_account, instance);
        then.Settles = true;
        if (_closed is not null && Instances.All.Count == 0) then.Emptied = true;
    }

    /// <summary>
    /// Calls share booting instances in the order of their coming, so those that depended on a failed start are the oldest, as many as it has slots; all of them when it was the last hope.
    /// While another instance is ready nobody is answered: that one shows that the function works, and it will take them.
    /// </summary>
    private void FailDependents(PooledInstance failed, string error, ref Consequences then)
    {
        if (Instances.Count(Version, InstanceState.Idle, InstanceState.Busy) > 0) return;
        var count = Instances.Count(Version, InstanceState.Starting, InstanceState.Starting) == 0 ? int.MaxValue : failed.Slots;
        var remaining = _backoff.Remaining(Now);
        for (; count > 0 && NextWaiting(ref then) is { } call; count--) then.Wake(call, new Lease(null, Refusals.StartFailed(Version, error, remaining)));
    }

    /// <summary>Gives an instance's free slots to those who wait, then lets it rest.</summary>
    private void Offer(PooledInstance instance, ref Consequences then)
    {
        while (instance.HasRoom && NextWaiting(ref then) is { } call)
        {
            Instances.Occupy(instance);
            then.Wake(call, new Lease(instance, null));
        }
        if (instance.HasRoom) Rest(instance, ref then);
    }

    /// <summary>Puts an instance with room, whose <see cref="PooledInstance.LastUsed"/> is now, on the list; when no call is left in it, its keep-alive begins.</summary>
    private void Rest(PooledInstance instance, ref Consequences then)
    {
        Instances.List(instance);
        if (instance.InFlight > 0) return;
        Instances.Move(instance, InstanceState.Idle);
        then.Settles |= _budget.IsContended;
        ProbeLater(instance);
        var keep = Version.Spec.KeepAlive;
        if (keep == Timeout.InfiniteTimeSpan || !IsSurplus()) return;
        if (keep == TimeSpan.Zero) Discard(instance, ref then);
        // The oldest one's moment may have passed while it was within the minimum.
        else if (Instances.OldestIdle() is { } oldest) _alarm.Set(oldest.LastUsed + keep, instance.LastUsed);
    }

    /// <summary>No more calls for the instance; it goes now or with its last one.</summary>
    private void Drain(PooledInstance instance, ref Consequences then)
    {
        Instances.Unlist(instance);
        if (instance.State == InstanceState.Starting) Abandon(instance, ref then);
        else if (instance.InFlight > 0)
        {
            Instances.Move(instance, InstanceState.Draining);
            // Longer than any call can go on in it, the grace of a cancelled one included; but a tunnel has no deadline.
            instance.LeavesAt = Now + instance.Version.Spec.Timeout + 2 * _options.CancelGrace;
            _alarm.Set(instance.LeavesAt, Now);
        }
        else Discard(instance, ref then);
    }

    private static void Abandon(PooledInstance instance, ref Consequences then)
    {
        if (instance.Abandoned) return;
        instance.Abandoned = true;
        (then.Abandoned ??= []).Add(instance);
    }

    private void Discard(PooledInstance instance, ref Consequences then)
    {
        if (instance.IsDisposing) return;
        instance.IsDisposing = true;
        // Successors that were kept for a single-use instance's sake may be surplus now.
        if (instance.Spent && Version.Spec.KeepAlive is var keep && keep != Timeout.InfiniteTimeSpan) _alarm.Set(Now + keep, Now);
        Instances.Unlist(instance);
        Instances.Move(instance, InstanceState.Dead);
        _budget.BeginFree(instance);
        (then.Disposed ??= []).Add(instance);
    }

    // ── versions ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>
    /// Takes a new version. With no instance ready (scaled to zero, or all starts failing) it serves at once; otherwise its first instances boot beside the old ones, which makes up to
    /// twice <c>max-instances</c> for that while, and calls move over when they are healthy.
    /// </summary>
    public Task<string?> Deploy(FunctionVersion version, ref Consequences then)
    {
        if (_closed is not null) return Task.FromResult<string?>($"{Version.Name} is being removed");
        AbandonDeployment(Deployment.Overtaken, ref then);
        _deploymentProblem = null;
        if (version.Id == Version.Id)
        {
            Plan(ref then);
            return Task.FromResult<string?>(null);
        }
        return Bring(version, ref then);
    }

    private Task<string?> Bring(FunctionVersion version, ref Consequences then)
    {
        if (_closed is not null) return Task.FromResult<string?>($"{Version.Name} is being removed");
        if (!_budget.CanEverFit(HostBudget.MemoryOf(version)) && Instances.Count(Version, InstanceState.Idle, InstanceState.Busy) > 0)
        {
            _deploymentProblem = Refusals.TooLarge(version, _budget).Error;
            return Task.FromResult(_deploymentProblem);
        }
        _deployment = new Deployment(version, Now + Version.Spec.QueueTimeout);
        var done = _deployment.Done;
        if (Instances.Count(Version, InstanceState.Idle, InstanceState.Busy) == 0) Switch(ref then);
        else _alarm.Set(_deployment.Patience, Now);
        Plan(ref then);
        return done;
    }

    /// <summary>
    /// Replaces all instances, as a new version that is the same one would: something that they were given at their start has changed. A deployment that boots goes first and makes it unnecessary,
    /// but for what has booted already: its pool is asked again when it has ended.
    /// </summary>
    public Task<string?> Renew(ref Consequences then)
    {
        if (_deployment is { } deployment) return deployment.Done;
        return Bring(Version with { }, ref then);
    }

    /// <summary>Moves new calls to the new version; the old instances end what they have begun.</summary>
    private void Switch(ref Consequences then)
    {
        var deployment = _deployment!;
        // A renewal is no deployment to those who said how many instances they want.
        if (deployment.Version.Id != Version.Id) _wanted = null;
        (Version, _deployment) = (deployment.Version, null);
        then.EndDeployment(deployment, null);
        _backoff.Reset();
        DrainAllBut(Version, ref then);
        foreach (var instance in Instances.All)
        {
            if (instance.State != InstanceState.Idle || !ReferenceEquals(instance.Version, Version)) continue;
            instance.LastUsed = Now;
            Offer(instance, ref then);
        }
    }

    private void AbandonDeployment(string problem, ref Consequences then)
    {
        if (_deployment is not { } deployment) return;
        (_deployment, _deploymentProblem) = (null, problem);
        then.EndDeployment(deployment, problem);
        DrainAllBut(Version, ref then);
    }

    private void DrainAllBut(FunctionVersion version, ref Consequences then)
    {
        foreach (var instance in Instances.All)
            if (!ReferenceEquals(instance.Version, version) && instance.State is InstanceState.Starting or InstanceState.Idle or InstanceState.Busy) Drain(instance, ref then);
    }

    // ── time and room ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>The alarm rang: answers calls that waited too long, lets idle instances and tunnels' draining ones go, has others probed, ends a deployment's patience, and sets the next alarm.</summary>
    public void Rang(ref Consequences then)
    {
        _alarm.Rang();
        if (_closed is not null) return;
        var now = Now;
        RefuseOverdue(ref then);

        var keep = Version.Spec.KeepAlive;
        while (keep != Timeout.InfiniteTimeSpan && IsSurplus() && Instances.OldestIdle() is { } idle)
        {
            if (PoolAlarm.IsDue(idle.LastUsed + keep, now)) Discard(idle, ref then);
            else
            {
                _alarm.Set(idle.LastUsed + keep, now);
                break;
            }
        }

        if (Version.Spec.HealthInterval > TimeSpan.Zero)
        {
            foreach (var instance in Instances.All)
            {
                if (instance.State != InstanceState.Idle || instance.IsProbing || !ReferenceEquals(instance.Version, Version)) continue;
                if (!PoolAlarm.IsDue(ProbeAt(instance), now))
                {
                    ProbeLater(instance);
                    continue;
                }
                instance.IsProbing = true;
                (then.Probed ??= []).Add(instance);
            }
        }

        foreach (var leaving in Instances.All)
        {
            if (leaving.State != InstanceState.Draining) continue;
            if (PoolAlarm.IsDue(leaving.LeavesAt, now)) Discard(leaving, ref then);
            else _alarm.Set(leaving.LeavesAt, now);
        }

        if (_deployment is { } deployment && Instances.CountAll(deployment.Version) < deployment.Target)
        {
            // No room beside the old instances: they make it, and the next call pays a cold start.
            if (PoolAlarm.IsDue(deployment.Patience, now)) Switch(ref then);
            else _alarm.Set(deployment.Patience, now);
        }
        Plan(ref then);
    }

    /// <summary>
    /// From now on so many instances are kept warm, at most <c>max-instances</c>, until the next version; those beyond that have no call in them go at once. Null: what the specification says again.
    /// </summary>
    public void Want(int? instances, ref Consequences then)
    {
        if (_closed is not null) return;
        var before = Minimum;
        _wanted = instances;
        if (instances is not null || Minimum < before)
            while (IsSurplus() && Instances.OldestIdle() is { } idle) Discard(idle, ref then);
        Plan(ref then);
    }

    /// <summary>For how long the pool's least recently used idle instance has been idle; null when it has none that may go.</summary>
    public TimeSpan? IdleFor(bool withinMinimum) => Instances.OldestIdle() is { } idle && (withinMinimum || IsSurplus()) ? Now - idle.LastUsed : null;

    /// <summary>Lets the least recently used idle instance go for another function; false when there is none that may.</summary>
    public bool GiveUpIdle(bool withinMinimum, ref Consequences then)
    {
        if (IdleFor(withinMinimum) is null || Instances.OldestIdle() is not { } idle) return false;
        Discard(idle, ref then);
        return true;
    }

    /// <summary>Takes no more calls: those that wait are refused, those that run may end.</summary>
    public void Close(Func<FunctionName, Reply> refusal, ref Consequences then)
    {
        if (_closed is not null) return;
        _closed = refusal;
        AbandonDeployment(Deployment.Closed, ref then);
        while (_queue.First is { } call)
        {
            _queue.Remove(call);
            then.Wake(call, new Lease(null, refusal(Version.Name)));
        }
        foreach (var instance in Instances.All)
            if (instance.State is InstanceState.Starting or InstanceState.Idle or InstanceState.Busy) Drain(instance, ref then);
        _budget.Want(_account, 0, 0, 0);
        _spareCalls.Clear();
        then.Settles = true;
        if (Instances.All.Count == 0) then.Emptied = true;
    }

    /// <summary>Ends what is left after <see cref="Close"/>, calls or not.</summary>
    public void Kill(ref Consequences then)
    {
        foreach (var instance in Instances.All)
            if (instance.State == InstanceState.Draining) Discard(instance, ref then);
    }

    /// <summary>Frees what the pool itself holds. Called once, after it emptied.</summary>
    public void Dispose()
    {
        _alarm.Dispose();
        _budget.Close(_account);
    }

    /// <summary>Why the function does not run as it should.</summary>
    public string? Problem() =>
        _backoff.LastError ?? _deploymentProblem
        ?? (!_budget.CanEverFit(HostBudget.MemoryOf(Version)) ? Refusals.LargerThanHost(Version, _budget)
            : _account.Urgent > 0 ? $"the host has no room for another instance ({_budget.Used} of {_budget.Instances} instances, {_budget.UsedMiB} of {_budget.MemoryMiB} MiB in use)"
            : _account.Warm > 0 ? $"the host has no room for the instances that min-instances keeps warm ({_budget.Used} of {_budget.Instances} instances, {_budget.UsedMiB} of {_budget.MemoryMiB} MiB in use)"
            : null);

    /// <summary>What remains until the next try of a function that backs off; null when it does not.</summary>
    public TimeSpan? RetryIn => _backoff.IsWaiting(Now) ? _backoff.Remaining(Now) : null;

    // ── the plan ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>
    /// Starts what the queue, a deployment and <c>min-instances</c> justify now, and leaves word with the budget for what found no room.
    /// </summary>
    public void Plan(ref Consequences then, bool myTurn = false)
    {
        if (_closed is not null) return;
        var (urgent, warm) = StartsForQueue();
        var next = _deployment is { } deployment ? Math.Max(0, deployment.Target - Instances.CountAll(deployment.Version)) : 0;

        var memory = 0;
        next = Start(_deployment?.Version, next, ref memory, ref myTurn, ref then);
        urgent = Start(Version, urgent, ref memory, ref myTurn, ref then);
        // Warm ones only after everybody's urgent ones, whoever's turn it is.
        if (urgent + next == 0) warm = Start(Version, warm, ref memory, ref myTurn, ref then);
        // Each call that joins a queue comes through here: only news is worth the budget's time.
        if (_budget.Want(_account, urgent + next, warm, memory)) then.Settles = true;
    }

    /// <summary>How many instances of the serving version to start: for calls that wait, and to keep some warm.</summary>
    private (int Urgent, int Warm) StartsForQueue()
    {
        var spec = Version.Spec;
        if (_queue.Count == 0 && Minimum == 0 && spec.Ahead == 0) return default;
        var starting = Instances.Count(Version, InstanceState.Starting, InstanceState.Starting);
        var room = Math.Max(0, spec.MaxInstances - Instances.CountAll(Version));
        if (_backoff.Streak > 0)
        {
            var now = Now;
            if (_backoff.IsWaiting(now))
            {
                _alarm.Set(_backoff.RetryAt, now);
                return default;
            }
            // One instance tries it for all.
            room = Math.Min(room, starting > 0 ? 0 : 1);
        }
        var justified = (_queue.Count + Slots - 1) / Slots;
        var urgent = Math.Clamp(justified - starting, 0, room);
        if (_deployment is not null) return (urgent, 0);

        // A spent single-use instance keeps nothing warm; its successors do.
        var idle = Instances.Count(Version, InstanceState.Idle, InstanceState.Idle);
        var busy = Instances.Count(Version, InstanceState.Busy, InstanceState.Busy);
        var unspoken = Math.Max(0, starting + urgent - justified);
        var warm = spec.SingleUse
            ? Floor(busy) - idle - unspoken
            : Minimum - idle - busy - starting - urgent;
        return (urgent, Math.Clamp(warm, 0, room - urgent));
    }

    /// <summary>Starts as many as there is room for; returns how many remain.</summary>
    private int Start(FunctionVersion? version, int count, ref int memory, ref bool myTurn, ref Consequences then)
    {
        if (version is null || count == 0) return 0;
        var need = HostBudget.MemoryOf(version);
        for (; count > 0 && _budget.TryTake(_account, need, myTurn); count--)
        {
            myTurn = false;
            var instance = new PooledInstance(version, _time.GetUtcNow());
            instance.StartLimit = new CancellationTokenSource(version.Spec.BootTimeout, _time);
            Instances.Add(instance);
            (then.Started ??= []).Add(instance);
        }
        if (count > 0) memory = Math.Max(memory, need);
        return count;
    }

    /// <summary>Whether there are more idle instances than are to be kept in any case.</summary>
    private bool IsSurplus()
    {
        var spec = Version.Spec;
        if (Minimum == 0 && spec.Ahead == 0) return true;
        var idle = Instances.Count(Version, InstanceState.Idle, InstanceState.Idle);
        var busy = Instances.Count(Version, InstanceState.Busy, InstanceState.Busy);
        return (spec.SingleUse ? idle : idle + busy) > Floor(busy);
    }

    /// <summary>Instances that are kept although nobody needs them: <c>min-instances</c>, and <c>ahead</c> successors while a single-use instance works.</summary>
    private int Floor(int busy) => Version.Spec is { SingleUse: true } spec && busy > 0 ? Math.Max(Minimum, spec.Ahead) : Minimum;

    private static TimeSpan Shorter(TimeSpan one, TimeSpan? other) => other is { } limit && limit < one ? limit : one;

    private static string Short(FunctionVersion version) => version.Id.Length > 12 ? version.Id[..12] : version.Id;
}
