using Stint.Functions;
using Stint.Invocations;

namespace Stint.Tests.Pools;

/// <summary>
/// What a pool promises, written down as naively as possible: lists, no timers, everything worked out anew after each event. One function on a host without limits.
/// Times are milliseconds.
/// </summary>
internal sealed class PoolModel(FunctionSpec spec, int firstBackoff, int grace)
{
    private long _uses;
    private int _streak;
    private bool _forgave, _lastWasBoot;
    private double _retryAt;

    public enum State { Starting, Idle, Busy, Draining }

    public sealed class Instance
    {
        public required int Version;
        public State State;
        public List<Call> Calls = [];
        public bool Spent;
        public double LastUsed, LastProbed, ProbeEnds = double.MaxValue;
        public bool Frozen;
        public long Use;
    }

    public sealed class Call
    {
        public required int Id;
        public Outcome? Outcome;
        public bool Queued, Running;
        public Instance? Instance;
        public double Arrived, Deadline, KilledAt = double.MaxValue;
        public int? Own;
    }

    public double Now { get; private set; }

    public int Version { get; private set; } = 1;

    public int? Next { get; private set; }

    public List<Instance> Instances { get; } = [];

    public List<Call> Calls { get; } = [];

    public List<Call> Queue { get; } = [];

    private int Slots => spec.SingleUse ? 1 : spec.ConcurrentRequests;

    public int Count(State state) => Instances.Count(instance => instance.State == state);

    public void Open() => Settle();

    public void Request(int id, int? own)
    {
        var call = new Call { Id = id, Own = own, Arrived = Now };
        Calls.Add(call);
        if (Queue.Count == 0 && Free() is { } instance) Run(call, instance);
        else if (Queue.Count >= spec.MaxQueue) call.Outcome = Outcome.Shed;
        else
        {
            var wait = Math.Min(spec.QueueTimeout.TotalMilliseconds, own ?? double.MaxValue);
            var hope = Instances.Any(i => i.Version == Version && i.State != State.Draining);
            if (_streak > 0 && !hope && _retryAt - Now > wait) call.Outcome = Outcome.Unavailable;
            else
            {
                call.Queued = true;
                Queue.Add(call);
            }
        }
        Settle();
    }

    public void Answer(Call call)
    {
        call.Outcome ??= Outcome.Answered;
        if (call.Instance!.Version == Version) (_streak, _forgave, _lastWasBoot) = (0, false, false);
        Leave(call);
        Settle();
    }

    public static void BeginStream(Call call) => call.Outcome = Outcome.Answered;

    public void BreakContract(Call call)
    {
        call.Outcome = Outcome.ContractBroken;
        Lose(call.Instance!);
        Settle();
    }

    public void CallerLeaves(Call call)
    {
        if (call.Queued)
        {
            Queue.Remove(call);
            (call.Queued, call.Outcome) = (false, Outcome.Cancelled);
        }
        else if (call.Running && call.KilledAt == double.MaxValue)
        {
            call.Outcome ??= Outcome.Cancelled;
            call.KilledAt = Now + grace;
        }
        Settle();
    }

    public void Dies(Instance instance)
    {
        Lose(instance);
        Settle();
    }

    public static void Freezes(Instance instance) => instance.Frozen = true;

    public void Thaws(Instance instance)
    {
        if (instance.ProbeEnds < double.MaxValue) (instance.LastProbed, instance.ProbeEnds) = (Now, double.MaxValue);
        instance.Frozen = false;
    }

    public void StartSucceeds(Instance instance)
    {
        (instance.LastUsed, instance.Use, instance.State) = (Now, _uses++, State.Idle);
        if (instance.Version == Version && _lastWasBoot) (_streak, _forgave, _lastWasBoot) = (0, false, false);
        Settle(instance);
    }

    public void StartFails(Instance instance)
    {
        Instances.Remove(instance);
        if (instance.Version == Next) Abandon();
        else
        {
            Fail(boot: true);
            if (Ready(Version).Length == 0)
            {
                var dependents = Instances.Any(i => i.Version == Version && i.State == State.Starting) ? Slots : int.MaxValue;
                foreach (var call in Queue.Take(dependents).ToArray())
                {
                    Queue.Remove(call);
                    (call.Queued, call.Outcome) = (false, Outcome.Unavailable);
                }
            }
        }
        Settle();
        GiveUp();
    }

    public void Deploy(int version)
    {
        if (Next is not null) Abandon();
        Next = version;
        if (Ready(Version).Length == 0) Switch();
        Settle();
    }

    /// <summary>Moves the clock, event by event.</summary>
    public void Advance(double by)
    {
        var end = Now + by;
        while (true)
        {
            var idle = Instances.Where(i => i.State == State.Idle && i.Version == Version).OrderBy(i => i.Use).FirstOrDefault();
            var keeps = idle is null || spec.KeepAlive == Timeout.InfiniteTimeSpan || !IsSurplus() ? double.MaxValue : idle.LastUsed + spec.KeepAlive.TotalMilliseconds;
            var retry = _streak > 0 && _retryAt > Now ? _retryAt : double.MaxValue;
            var next = Calls.Where(call => call.Running).SelectMany(call => new[] { call.KilledAt == double.MaxValue ? call.Deadline : call.KilledAt })
                .Concat(Queue.Select(GivesUp)).Concat(Instances.Select(NextOfProbe)).Append(keeps).Append(retry).Min();
            if (next > end) break;
            Now = Math.Max(Now, next);
            GiveUp();
            if (keeps <= Now) Instances.Remove(idle!);
            foreach (var probed in Instances.Where(i => NextOfProbe(i) <= Now).ToArray())
            {
                if (probed.ProbeEnds < double.MaxValue) Lose(probed);
                else if (probed.Frozen) probed.ProbeEnds = Now + spec.HealthTimeout.TotalMilliseconds;
                else probed.LastProbed = Now;
                Settle();
            }
            foreach (var call in Calls.Where(call => call.Running && call.KilledAt == double.MaxValue && call.Deadline <= Now).ToArray())
            {
                call.Outcome ??= Outcome.TimedOut;
                call.KilledAt = call.Deadline + grace;
            }
            foreach (var call in Calls.Where(call => call.KilledAt <= Now).ToArray())
            {
                // Two instances lost at the same moment are lost one after the other.
                if (call.Running) Lose(call.Instance!);
                Settle();
            }
            Settle();
        }
        Now = end;
    }

    /// <summary>Calls leave when their time is up, the first one first: those behind may get its place among the starts.</summary>
    private void GiveUp()
    {
        while (Queue.Find(call => GivesUp(call) <= Now) is { } call)
        {
            Queue.Remove(call);
            (call.Queued, call.Outcome) = (false, call.Own <= Now - call.Arrived ? Outcome.TimedOut : Outcome.Unavailable);
        }
    }

    private double GivesUp(Call call)
    {
        var isServed = spec.OwnQueueTimeout is null && Queue.IndexOf(call) < Slots * Instances.Count(i => i.Version == Version && i.State == State.Starting);
        return call.Arrived + Math.Min(call.Own ?? double.MaxValue, (spec.QueueTimeout + (isServed ? spec.BootTimeout : TimeSpan.Zero)).TotalMilliseconds);
    }

    /// <summary>When an instance's probe begins, or ends without an answer.</summary>
    private double NextOfProbe(Instance i) =>
        i.ProbeEnds < double.MaxValue ? i.ProbeEnds
        : i.State == State.Idle && i.Version == Version ? Math.Max(i.LastUsed, i.LastProbed) + spec.HealthInterval.TotalMilliseconds
        : double.MaxValue;

    private Instance[] Ready(int version) => [.. Instances.Where(i => i.Version == version && i.State is State.Idle or State.Busy && i.Version == version)];

    private bool HasRoom(Instance i) => i.Version == Version && i.State is State.Idle or State.Busy && i.Version == Version && i.Calls.Count < Slots && !i.Spent;

    private Instance? Free() => Instances.Where(HasRoom).MaxBy(i => i.Use);

    private bool IsSurplus() => Instances.Count(i => i.Version == Version && (i.State == State.Idle || (i.State == State.Busy && !spec.SingleUse))) > spec.MinInstances;

    private void Run(Call call, Instance instance)
    {
        var limit = Math.Min(spec.Timeout.TotalMilliseconds, call.Own is { } own ? own - (Now - call.Arrived) : double.MaxValue);
        (call.Queued, call.Running, call.Instance, call.Deadline) = (false, true, instance, Now + limit);
        instance.Calls.Add(call);
        instance.State = State.Busy;
        instance.Spent = spec.SingleUse;
    }

    private void Leave(Call call)
    {
        var instance = call.Instance!;
        (call.Running, call.KilledAt) = (false, double.MaxValue);
        instance.Calls.Remove(call);
        (instance.LastUsed, instance.Use) = (Now, _uses++);
        if (instance.Spent) Instances.Remove(instance);
        else if (instance.Calls.Count == 0 && instance.State == State.Draining) Instances.Remove(instance);
        else if (instance.State == State.Busy && Queue.Count > 0) Run(Dequeue(), instance);
        else if (instance.Calls.Count == 0)
        {
            instance.State = State.Idle;
            if (spec.KeepAlive == TimeSpan.Zero && IsSurplus()) Instances.Remove(instance);
        }
    }

    private Call Dequeue()
    {
        var call = Queue[0];
        Queue.RemoveAt(0);
        return call;
    }

    /// <summary>An instance is lost with everything in it.</summary>
    private void Lose(Instance instance)
    {
        if (!Instances.Remove(instance)) return;
        foreach (var call in instance.Calls)
        {
            (call.Running, call.KilledAt) = (false, double.MaxValue);
            call.Outcome ??= Outcome.Crashed;
        }
        if (instance.Version == Next) Abandon();
        else if (instance.Version == Version && instance.State != State.Draining) Fail(boot: false);
    }

    private void Fail(bool boot)
    {
        if (!boot && _streak == 0 && !_forgave)
        {
            _forgave = true;
            return;
        }
        if (_streak == 0 || _retryAt <= Now)
        {
            _retryAt = Now + Math.Min(60_000, firstBackoff * Math.Pow(2, _streak));
            _streak++;
        }
        _lastWasBoot = boot;
    }

    private void Abandon()
    {
        Instances.RemoveAll(i => i.Version == Next);
        Next = null;
    }

    private void Switch()
    {
        var old = Version;
        (Version, Next) = (Next!.Value, null);
        (_streak, _forgave, _lastWasBoot) = (0, false, false);
        Instances.RemoveAll(i => i.Version == old && i.State is State.Starting or State.Idle && i.Version == old);
        foreach (var instance in Instances.Where(i => i.Version == old)) instance.State = State.Draining;
        foreach (var instance in Instances.Where(i => i.State == State.Idle).ToArray())
        {
            // They join in the order of their starts.
            (instance.Use, instance.LastUsed) = (_uses++, Now);
            while (Queue.Count > 0 && HasRoom(instance)) Run(Dequeue(), instance);
        }
    }

    /// <summary>Brings everything to rest.</summary>
    private void Settle(Instance? fresh = null)
    {
        var target = Math.Clamp(spec.MinInstances, 1, spec.MaxInstances);
        var switched = Next is { } version && Ready(version).Length >= target;
        if (switched) Switch();
        while (Queue.Count > 0 && Free() is { } instance) Run(Dequeue(), instance);
        if (spec.KeepAlive == TimeSpan.Zero)
        {
            Instance?[] settled = switched ? [.. Instances.Where(i => i.Version == Version)] : [fresh];
            foreach (var instance in settled)
                if (instance is { State: State.Idle } && instance.Version == Version && IsSurplus()) Instances.Remove(instance);
        }

        if (Next is { } next)
            while (Instances.Count(i => i.Version == next) < target) Instances.Add(new Instance { Version = next });
        if (_streak > 0 && _retryAt > Now) return;
        while (true)
        {
            var mine = Instances.Where(i => i.Version == Version).ToArray();
            var starting = mine.Count(i => i.State == State.Starting);
            if (mine.Length >= spec.MaxInstances || (_streak > 0 && starting > 0)) return;
            var justified = (Queue.Count + Slots - 1) / Slots;
            // Starts beyond what the queue justifies keep instances warm; a single-use instance that works is spent.
            var warm = spec.SingleUse
                ? mine.Count(i => i.State == State.Idle) + Math.Max(0, starting - justified)
                : mine.Length;
            if (justified <= starting && (Next is not null || warm >= spec.MinInstances)) return;
            Instances.Add(new Instance { Version = Version });
        }
    }
}
