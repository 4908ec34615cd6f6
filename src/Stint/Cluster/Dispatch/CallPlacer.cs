// Where a call runs (numbers as in the code):
//
//   1  at once here, when this machine has a free warm instance and a processor for it: no other way is as short
//   2  else where the policy says, among this machine, if it is a worker, and the workers that can be called
//   3  there: it ends; or nothing has run (draining, no code, not reached), and the next one is chosen, without those that were tried; or it would have to wait, and the next one is chosen; or the worker
//      was lost
//   4  a call whose worker was lost may have run: it is repeated only if it had not begun, or if that does no harm (CallRules)
//   5  when it would have to wait everywhere, the choice is made once more, and it waits where it falls
using Stint.Cluster.Transport;
using Stint.Functions;
using Stint.Invocations;
using Stint.Scheduling;

namespace Stint.Cluster.Dispatch;

/// <summary>How workers are chosen for calls that name no script.</summary>
internal enum SchedulingPolicy
{
    /// <summary>One with a free warm instance, else the less loaded of two.</summary>
    WarmFirst,

    /// <summary>FunLess's: the one with the most memory available.</summary>
    MostMemory,
}

/// <summary>What a placer needs.</summary>
/// <param name="Directory">The workers.</param>
/// <param name="Code">A function's version in the store's numbers; null when the store has none: then it can run here only.</param>
/// <param name="Script">A script by name; null when there is none.</param>
/// <param name="Local">This machine as a policy sees it; null when it runs no instances.</param>
/// <param name="Policy">For calls that name no script.</param>
/// <param name="Measured">A machine with what somebody else has measured of it; null = machines are taken at their own word.</param>
/// <param name="Tried">Told what became of each call that was sent to a worker; null = nobody counts.</param>
internal sealed record CallPlacerParts(WorkerDirectory Directory, Func<FunctionVersion, CodeVersion?> Code, Func<string, AppScript?> Script, Func<WorkerSnapshot>? Local, SchedulingPolicy Policy, Func<WorkerSnapshot, WorkerSnapshot>? Measured = null, Action<KnownWorker, FunctionName, CallFate>? Tried = null);

/// <summary>Between routing and pools: runs a call on this machine or on a worker.</summary>
/// <param name="parts">What it works with.</param>
/// <param name="time">The clock.</param>
internal sealed class CallPlacer(CallPlacerParts parts, TimeProvider time)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    // A worker ends a call at its limit itself; this is for one that does not.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private int _local;

    /// <summary>Runs a call. Never throws; the result is awaited once.</summary>
    /// <param name="invocation">The call.</param>
    /// <param name="version">What is called.</param>
    /// <param name="warm">Free warm instances here.</param>
    /// <param name="run">Runs it here.</param>
    public ValueTask<Reply> InvokeAsync(Invocation invocation, FunctionVersion version, int warm, Func<Invocation, ValueTask<Reply>> run)
    {
        // 1.
        if (parts.Local is not null)
        {
            if (invocation.Script is null && parts.Directory.Workers.Count == 0) return RunHereAsync(invocation, run);
            if (invocation.Script is null && parts.Policy == SchedulingPolicy.WarmFirst && warm > 0 && Volatile.Read(ref _local) < Environment.ProcessorCount) return RunHereFirstAsync(invocation, version, run);
        }
        return PlaceAsync(invocation, version, warm, run);
    }

    /// <summary>Every machine that may be chosen now, as a policy sees it.</summary>
    public List<WorkerSnapshot> Describe() => [.. (parts.Local is { } local ? (WorkerSnapshot[])[Measured(local())] : []), .. parts.Directory.Workers.Where(static worker => Usable(worker)).Select(worker => Measured(worker.Describe()))];

    private WorkerSnapshot Measured(WorkerSnapshot machine) => parts.Measured is { } measured ? measured(machine) : machine;

    private async ValueTask<Reply> RunHereFirstAsync(Invocation invocation, FunctionVersion version, Func<Invocation, ValueTask<Reply>> run)
    {
        var reply = await RunHereAsync(invocation, run, CallWait.Never).ConfigureAwait(false);
        // Others took the instance.
        if (!CallRules.DidNotRun(reply.Outcome) || (!invocation.IsDeclined(reply) && IsSpent(invocation))) return reply;
        reply.Dispose();
        return await PlaceAsync(invocation, version, 0, run).ConfigureAwait(false);
    }

    private async ValueTask<Reply> RunHereAsync(Invocation invocation, Func<Invocation, ValueTask<Reply>> run, CallWait wait = CallWait.InQueue)
    {
        invocation.Wait = wait;
        Interlocked.Increment(ref _local);
        try
        {
            return await run(invocation).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _local);
        }
    }

    private async ValueTask<Reply> PlaceAsync(Invocation invocation, FunctionVersion version, int warm, Func<Invocation, ValueTask<Reply>> run)
    {
        var arrived = time.GetTimestamp();
        AppScript? script = null;
        if (invocation.Script is { } name && (script = parts.Script(name)) is null) return Reply.Failure(Outcome.Unavailable, $"there is no scheduling script {name}", Soon);
        if (parts.Code(version) is not { } code)
        {
            return parts.Local is not null ? await RunHereAsync(invocation, run).ConfigureAwait(false) : Reply.Failure(Outcome.Unavailable, $"{version.Name} is not in the store yet, and this gateway runs no instances itself", Soon);
        }
        var round = new PlacementRound();
        Reply? last = null;
        while (true)
        {
            // 2.
            var (machines, workers) = Candidates(version.Name, round);
            var placement = Choose(script, version, warm, machines, workers);
            if (placement.Worker is not { } chosen)
            {
                // 5.
                if (round.TryQueue()) continue;
                return last ?? Nowhere(version, invocation.Script, placement.Fault, round.HasTried);
            }
            last?.Dispose();
            last = null;
            // 3.
            if (workers[machines.FindIndex(machine => machine.Name == chosen)] is not { } worker)
            {
                last = await RunHereAsync(invocation, run, round.WaitAt(PlacementRound.Here, isWarm: false, machines.Count)).ConfigureAwait(false);
                if (invocation.IsDeclined(last)) round.Full(PlacementRound.Here);
                else if (!CallRules.DidNotRun(last.Outcome) || IsSpent(invocation)) return last;
                else round.Tried(PlacementRound.Here);
                continue;
            }
            TimeSpan? left = invocation.CallerTimeout - time.GetElapsedTime(arrived);
            if (left <= TimeSpan.Zero) return Reply.Failure(Outcome.TimedOut, $"the caller's own limit passed before {version.Name} ran anywhere");
            invocation.Wait = round.WaitAt(chosen, worker.IsWarm(version.Name), machines.Count);
            var attempt = await CallAsync(worker, invocation, version, code, left).ConfigureAwait(false);
            parts.Tried?.Invoke(worker, version.Name, attempt.Fate);
            switch (attempt)
            {
                case { Fate: CallFate.Ended, Reply: { } reply }:
                    if (!CallRules.DidNotRun(reply.Outcome) || attempt.IsBodySpent) return reply;
                    round.Tried(chosen);
                    last = reply;
                    continue;
                case { Fate: CallFate.Cancelled }:
                    return invocation.CallerGone.IsCancellationRequested
                        ? Reply.Failure(Outcome.Cancelled, $"the caller left before {version.Name} answered")
                        : Reply.Failure(Outcome.TimedOut, $"{version.Name} did not answer within the caller's own limit");
                case { Fate: CallFate.Refused, Reason: NodeHeaders.RefusedBusy } when invocation.Wait != CallWait.InQueue:
                    if (invocation.Wait == CallWait.Never) round.Cold(chosen);
                    else round.Full(chosen);
                    continue;
                case { Fate: CallFate.Refused }:
                    if (attempt.Reason == NodeHeaders.RefusedDraining) worker.IsRefusing = true;
                    last = Reply.Failure(Outcome.Unavailable, $"the worker {worker.Name} did not take the call: {attempt.Words}", Soon);
                    break;
                default:
                    parts.Directory.Lost(worker, attempt.Words);
                    last = attempt.Fate == CallFate.NotSent || attempt.HasNotBegun
                        ? Reply.Failure(Outcome.Unavailable, $"the worker {worker.Name} {(attempt.HasNotBegun ? "was lost before it ran the call" : "cannot be reached")}: {attempt.Words}", Soon)
                        : Reply.Lost(Outcome.Crashed, $"the worker {worker.Name} was lost while it had the call ({attempt.Words}); {version.Name} may have run. It was not run again, because {invocation.Method} may do harm twice");
                    break;
            }
            // 4.
            if (!CallRules.MayRepeat(attempt, invocation.Method)) return last;
            round.Tried(chosen);
        }
    }

    private async ValueTask<CallAttempt> CallAsync(KnownWorker worker, Invocation invocation, FunctionVersion version, CodeVersion code, TimeSpan? left)
    {
        if (left is not { } remaining) return await worker.CallAsync(invocation, version.Spec, code, null, invocation.CallerGone).ConfigureAwait(false);
        using var limit = new CancellationTokenSource(remaining + Grace, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, invocation.CallerGone);
        return await worker.CallAsync(invocation, version.Spec, code, left, either.Token).ConfigureAwait(false);
    }

    /// <summary>Who may be chosen: machines as a policy sees them and, at the same places, the workers that they are; null is this machine.</summary>
    private (List<WorkerSnapshot> Machines, List<KnownWorker?> Workers) Candidates(FunctionName function, PlacementRound round)
    {
        var (machines, workers) = (new List<WorkerSnapshot>(), new List<KnownWorker?>());
        if (parts.Local is { } local && round.MayTry(PlacementRound.Here)) Add(local(), null);
        foreach (var worker in parts.Directory.Workers)
            if (Usable(worker) && worker.IsAlive && round.MayTry(worker.Name, worker.IsFull(function))) Add(worker.Describe(), worker);
        if (machines.Count > 0) return (machines, workers);
        // Silent ones are better than none: a gateway may be cut off from the store, and not from them.
        foreach (var worker in parts.Directory.Workers)
            if (Usable(worker) && !worker.IsAlive && round.MayTry(worker.Name, worker.IsFull(function))) Add(worker.Describe(), worker);
        return (machines, workers);

        void Add(WorkerSnapshot machine, KnownWorker? worker)
        {
            machines.Add(Measured(machine));
            workers.Add(worker);
        }
    }

    private static bool Usable(KnownWorker worker) => worker is { IsReachable: true, IsDraining: false, IsRefusing: false };

    private Placement Choose(AppScript? script, FunctionVersion version, int warm, List<WorkerSnapshot> candidates, List<KnownWorker?> workers)
    {
        if (candidates.Count == 0) return Placement.Nowhere(PlacementFault.NoWorkers);
        var spec = version.Spec;
        if (script is not null) return AppPolicy.Choose(script, new SchedulingRequest(spec.Tag, (spec.CapacityKiB ?? 0) * 1024L), candidates, Random.Shared);
        var request = new SchedulingRequest(spec.Tag, spec.CapacityKiB is { } capacity ? capacity * 1024L : (long)spec.MemoryMiB << 20);
        Placement placement;
        if (parts.Policy == SchedulingPolicy.MostMemory) placement = DefaultPolicy.Choose(request, candidates, Random.Shared);
        else
        {
            var free = new List<int>();
            for (var i = 0; i < candidates.Count; i++)
                if (workers[i] is { } worker ? worker.IsWarm(version.Name) : warm > 0) free.Add(i);
            placement = WarmFirstPolicy.Choose(request, candidates, free, Random.Shared);
        }
        // None has the memory, as far as is known. The machine itself knows better: it can let another instance go. A capacity that somebody asked for is kept to.
        return placement.Fault == PlacementFault.NoValidWorkers && spec.CapacityKiB is null ? DefaultPolicy.Choose(request with { Capacity = 0 }, candidates, Random.Shared) : placement;
    }

    // A streamed body that this machine's instance has begun to read cannot go elsewhere. One that nothing ran with has not been read, but nobody can tell by looking.
    private static bool IsSpent(Invocation invocation) => invocation.BodyStream is not null;

    private static Reply Nowhere(FunctionVersion version, string? script, PlacementFault fault, bool hasTried) => Reply.Failure(Outcome.Unavailable, fault switch
    {
        PlacementFault.NoMatchingTag => $"the script {script} has neither the tag of {version.Name} nor a tag '{AppScript.DefaultTag}'",
        PlacementFault.NoValidWorkers when script is not null => $"the script {script} lets no worker take {version.Name} now",
        PlacementFault.NoValidWorkers => $"no worker has the memory that {version.Name} asks for (capacity)",
        _ => hasTried ? $"no worker took the call of {version.Name}" : $"there is no worker that could run {version.Name}: this gateway runs no instances (worker = false), and none is alive; 'stint cluster ls' lists them",
    }, Soon);
}
