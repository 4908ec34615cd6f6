using Stint.Functions;

namespace Stint.Pools;

/// <summary>
/// What the host can carry, shared by all pools: memory and a number of instances. It decides who starts next when not everybody can.
/// </summary>
/// <remarks>
/// A function's <em>share</em> is the larger of its parts of the memory and of the instances (dominant resource fairness). When there is no room:
/// <list type="number">
/// <item>the hungry function with the smallest share is served next, the longest waiting one among equals;</item>
/// <item>the least recently used idle instance of another function makes the room. An instance that was used within the last <see cref="RecentUse"/> is safe from a function that holds
/// as much as its owner or more, else a busy function would cost a quiet one a cold start for each call. Instances within <c>min-instances</c> go only for a function that has none at all:
/// to be served at all matters more than to be served at once;</item>
/// <item>when none is idle, a function that holds more than its share gives an instance up as a call ends in it instead of putting the next call there (<see cref="ShouldYield"/>). With fewer
/// places than functions they take turns of at least <see cref="Turn"/>;</item>
/// <item>otherwise the calls wait in their pool's queue, no longer than <c>queue-timeout</c>.</item>
/// </list>
/// Locks: a pool calls the methods marked "under the pool's lock" inside its own lock; this lock is a leaf, and nothing here calls a pool while it is held.
/// </remarks>
internal sealed class HostBudget : IDisposable
{
    /// <summary>How long an idle instance's last use protects it from functions that are no worse off than its owner.</summary>
    public static readonly TimeSpan RecentUse = TimeSpan.FromSeconds(10);

    /// <summary>How long a function without any instance waits before another that has a single one yields it, and how long that one has it at least.</summary>
    public static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly List<BudgetAccount> _accounts = [];
    private readonly TimeProvider _time;
    private readonly long _origin;
    private readonly PoolAlarm _alarm;
    private int _usedMiB, _used, _freeingMiB, _freeing, _yieldingMiB, _yielding;
    private int _settling;
    private volatile bool _contended;

    /// <param name="memoryMiB">Memory for all instances together.</param>
    /// <param name="instances">Instances of all functions together.</param>
    /// <param name="time">The clock.</param>
    public HostBudget(int memoryMiB, int instances, TimeProvider time)
    {
        (MemoryMiB, Instances, _time, _origin) = (memoryMiB, instances, time, time.GetTimestamp());
        _alarm = new PoolAlarm(time, Ring);
    }

    /// <summary>Memory for all instances together, MiB.</summary>
    public int MemoryMiB { get; }

    /// <summary>Instances of all functions together.</summary>
    public int Instances { get; }

    /// <summary>Memory promised to instances now, MiB.</summary>
    public int UsedMiB => Volatile.Read(ref _usedMiB);

    /// <summary>Instances now, of all functions.</summary>
    public int Used => Volatile.Read(ref _used);

    /// <summary>Whether calls of any function wait for room. Needs no lock.</summary>
    public bool IsContended => _contended;

    /// <summary>The memory of this host that one instance of a version is promised, MiB.</summary>
    public static int MemoryOf(FunctionVersion version) => version.Spec.IsElsewhere ? 0 : version.Spec.MemoryMiB;

    /// <summary>Whether an instance of that size fits an empty host.</summary>
    public bool CanEverFit(int memoryMiB) => memoryMiB <= MemoryMiB && Instances > 0;

    /// <summary>Opens a pool's account.</summary>
    public BudgetAccount Open(FunctionPool pool)
    {
        var account = new BudgetAccount(pool);
        lock (_lock) _accounts.Add(account);
        return account;
    }

    /// <summary>Closes the account of a pool that holds nothing any more.</summary>
    public void Close(BudgetAccount account)
    {
        lock (_lock)
        {
            _accounts.Remove(account);
            Review_NeedsLock();
        }
    }

    /// <summary>Takes room for one start, under the pool's lock. Refused when there is none, and when others wait for it and it is not <paramref name="myTurn"/>.</summary>
    public bool TryTake(BudgetAccount account, int memoryMiB, bool myTurn)
    {
        lock (_lock)
        {
            if (!Fits_NeedsLock(memoryMiB) || (!myTurn && OthersWait_NeedsLock(account))) return false;
            account.Held++;
            account.HeldMiB += memoryMiB;
            account.HungrySince = account.TookAt = Now;
            _used++;
            _usedMiB += memoryMiB;
            return true;
        }
    }

    /// <summary>
    /// Says what a pool would start if it could, under the pool's lock; true when that is news, and then the pool calls <see cref="Settle"/> outside it.
    /// </summary>
    public bool Want(BudgetAccount account, int urgent, int warm, int memoryMiB)
    {
        // Only the account's own pool writes these three, under its own lock.
        if ((account.Urgent, account.Warm, account.NeedMiB) == (urgent, warm, memoryMiB)) return false;
        lock (_lock)
        {
            if (account.Urgent == 0) account.HungrySince = Now;
            (account.Urgent, account.Warm, account.NeedMiB) = (urgent, warm, memoryMiB);
            Review_NeedsLock();
        }
        return true;
    }

    /// <summary>Announces that an instance gives way and goes with its last call, under the pool's lock, so that not more give way than needed.</summary>
    public void Yield(PooledInstance instance)
    {
        if (instance.IsYielding || instance.IsFreeing) return;
        instance.IsYielding = true;
        lock (_lock)
        {
            _yielding++;
            _yieldingMiB += instance.MemoryMiB;
        }
    }

    /// <summary>Announces that an instance's room comes free at any moment, under the pool's lock, so that not more is taken from others than needed.</summary>
    public void BeginFree(PooledInstance instance)
    {
        if (instance.IsFreeing) return;
        lock (_lock)
        {
            if (instance.IsYielding)
            {
                _yielding--;
                _yieldingMiB -= instance.MemoryMiB;
            }
            _freeing++;
            _freeingMiB += instance.MemoryMiB;
        }
        (instance.IsYielding, instance.IsFreeing) = (false, true);
    }

    /// <summary>Gives an instance's room back, under the pool's lock.</summary>
    public void Free(BudgetAccount account, PooledInstance instance)
    {
        lock (_lock)
        {
            account.Held--;
            account.HeldMiB -= instance.MemoryMiB;
            _used--;
            _usedMiB -= instance.MemoryMiB;
            if (!instance.IsFreeing) return;
            _freeing--;
            _freeingMiB -= instance.MemoryMiB;
        }
    }

    /// <summary>Whether an instance in which a call has just ended is to go for the sake of a poorer function; under the pool's lock, and only worth asking while <see cref="IsContended"/>.</summary>
    public bool ShouldYield(BudgetAccount account, PooledInstance instance)
    {
        lock (_lock)
        {
            if (Hungriest_NeedsLock() is not { } hungry || ReferenceEquals(hungry, account) || ComesFree_NeedsLock(hungry.NeedMiB, _yielding, _yieldingMiB)) return false;
            var mineAfter = Share(account.HeldMiB - instance.MemoryMiB, account.Held - 1);
            var theirsAfter = Share(hungry.HeldMiB + hungry.NeedMiB, hungry.Held + 1);
            return mineAfter >= theirsAfter || (hungry.Held == 0 && Now is var now && now >= hungry.HungrySince + Turn && now >= account.TookAt + Turn);
        }
    }

    /// <summary>
    /// Gives free room to those who wait, poorest first, and makes room where the rules allow it. Called outside all locks after anything changed; one thread at a time does the work,
    /// the others only leave word.
    /// </summary>
    public void Settle()
    {
        if (Interlocked.Increment(ref _settling) > 1) return;
        int seen;
        do
        {
            seen = Volatile.Read(ref _settling);
            while (ServeNext()) { }
        }
        while (Interlocked.Add(ref _settling, -seen) > 0);
    }

    /// <inheritdoc/>
    public void Dispose() => _alarm.Dispose();

    private TimeSpan Now => _time.GetElapsedTime(_origin);

    /// <summary>One step of <see cref="Settle"/>; false when nothing more can be done now.</summary>
    private bool ServeNext()
    {
        BudgetAccount? hungry, next;
        BudgetAccount[] others;
        lock (_lock)
        {
            hungry = Hungriest_NeedsLock();
            next = hungry ?? _accounts.Find(account => account.Warm > 0 && Fits_NeedsLock(account.NeedMiB));
            if (next is null) return false;
            if (!Fits_NeedsLock(next.NeedMiB))
            {
                // Time alone can change the answer (recent use ages, turns end), so look again until somebody is served.
                _alarm.Set(Now + Turn, Now);
                if (ComesFree_NeedsLock(next.NeedMiB)) return false;
                next = null;
            }
            others = next is null ? [.. _accounts] : [];
        }
        if (next is null) return MakeRoom(hungry!, others);

        var before = (next.Held, next.Urgent, next.Warm);
        next.Pool.YourTurn();
        lock (_lock)
        {
            // A pool that lost interest has said so. One that neither started nor said so was overtaken by a change; look again in a while rather than at once.
            if ((next.Held, next.Urgent, next.Warm) != before) return true;
            _alarm.Set(Now + Turn, Now);
            return false;
        }
    }

    /// <summary>Has the least recently used idle instance of another function go; false when the rules let none go.</summary>
    private bool MakeRoom(BudgetAccount hungry, BudgetAccount[] accounts)
    {
        foreach (var withinMinimum in (ReadOnlySpan<bool>)[false, true])
        {
            if (withinMinimum && hungry.Held > 0) return false;
            BudgetAccount? victim = null;
            var longest = TimeSpan.MinValue;
            foreach (var account in accounts)
            {
                if (ReferenceEquals(account, hungry) || account.Pool.IdleFor(withinMinimum) is not { } idle || idle <= longest) continue;
                if (idle >= RecentUse || ShareOf(account) > ShareOf(hungry)) (victim, longest) = (account, idle);
            }
            if (victim is not null) return victim.Pool.GiveUpIdle(withinMinimum);
        }
        return false;
    }

    private void Ring()
    {
        lock (_lock) _alarm.Rang();
        Settle();
    }

    private double ShareOf(BudgetAccount account)
    {
        lock (_lock) return Share(account.HeldMiB, account.Held);
    }

    private double Share(int memoryMiB, int instances) => Math.Max((double)memoryMiB / Math.Max(1, MemoryMiB), (double)instances / Math.Max(1, Instances));

    private bool Fits_NeedsLock(int memoryMiB) => _used < Instances && _usedMiB + memoryMiB <= MemoryMiB;

    private bool ComesFree_NeedsLock(int memoryMiB, int yielding = 0, int yieldingMiB = 0) =>
        _used - _freeing - yielding < Instances && _usedMiB - _freeingMiB - yieldingMiB + memoryMiB <= MemoryMiB;

    private bool OthersWait_NeedsLock(BudgetAccount account) => _contended && _accounts.Exists(other => other.Urgent > 0 && !ReferenceEquals(other, account));

    private void Review_NeedsLock() => _contended = _accounts.Exists(static account => account.Urgent > 0);

    private BudgetAccount? Hungriest_NeedsLock()
    {
        BudgetAccount? hungriest = null;
        foreach (var account in _accounts)
        {
            if (account.Urgent == 0) continue;
            if (hungriest is null || Share(account.HeldMiB, account.Held).CompareTo(Share(hungriest.HeldMiB, hungriest.Held)) is var order
                && (order < 0 || (order == 0 && account.HungrySince < hungriest.HungrySince))) hungriest = account;
        }
        return hungriest;
    }
}
