// Where a call runs (numbers as in the code):
//
//   1  at once here, when this machine has a free warm instance and a processor for it: no other way is as short
//   2  else where the policy says, among this machine, if it is a worker, and the workers that can be called
//   3  there: it ends; or nothing has run (full, draining, no code, not reached), and the next one is chosen, without those that were tried; or the worker was lost
//   4  a call whose worker was lost may have run: it is repeated only if that does no harm (CallRules)
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
internal sealed record CallPlacerParts(WorkerDirectory Directory, Func<FunctionVersion, CodeVersion?> Code, Func<string, AppScript?> Script, Func<WorkerSnapshot>? Local, SchedulingPolicy Policy, Func<WorkerSnapshot, WorkerSnapshot>? Measured = null);

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
            if (invocation.Upgrade is not null || invocation.Script is null && parts.Directory.Workers.Count == 0) return RunHereAsync(invocation, run);
            if (invocation.Script is null && parts.Policy == SchedulingPolicy.WarmFirst && warm > 0 && Volatile.Read(ref _local) < Environment.ProcessorCount) return RunHereFirstAsync(invocation, version, run);
        }
        return PlaceAsync(invocation, version, warm, run, null);
    }

    /// <summary>Every machine that may be chosen now, as a policy sees it.</summary>
    public List<WorkerSnapshot> Describe() => [.. (parts.Local is { } local ? (WorkerSnapshot[])[Measured(local())] : []), .. parts.Directory.Workers.Where(static worker => Usable(worker)).Select(worker => Measured(worker.Describe()))];

    private WorkerSnapshot Measured(WorkerSnapshot machine) => parts.Measured is { } measured ? measured(machine) : machine;

    private async ValueTask<Reply> RunHereFirstAsync(Invocation invocation, FunctionVersion version, Func<Invocation, ValueTask<Reply>> run)
    {
        var reply = await RunHereAsync(invocation, run).ConfigureAwait(false);
        // Others took the instance, and the queue is full.
        return !CallRules.DidNotRun(reply.Outcome) || IsSpent(invocation) ? reply : await PlaceAsync(invocation, version, 0, run, reply).ConfigureAwait(false);
    }

    private async ValueTask<Reply> RunHereAsync(Invocation invocation, Func<Invocation, ValueTask<Reply>> run)
    {
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

    private async ValueTask<Reply> PlaceAsync(Invocation invocation, FunctionVersion version, int warm, Func<Invocation, ValueTask<Reply>> run, Reply? refused)
    {
        var arrived = time.GetTimestamp();
        AppScript? script = null;
        if (invocation.Script is { } name && (script = parts.Script(name)) is null) return Reply.Failure(Outcome.Unavailable, $"there is no scheduling script {name}", Soon);
        if (invocation.Upgrade is not null) return Reply.Failure(Outcome.NotImplemented, $"{version.Name} cannot change to another protocol here: this gateway runs no instances (worker = false), and workers are not called over WebSocket; call a gateway that does");
        if (parts.Code(version) is not { } code)
        {
            return parts.Local is not null ? await RunHereAsync(invocation, run).ConfigureAwait(false) : Reply.Failure(Outcome.Unavailable, $"{version.Name} is not in the store yet, and this gateway runs no instances itself", Soon);
        }
        var tried = new HashSet<string>(StringComparer.Ordinal);
        var last = refused;
        if (refused is not null) tried.Add(parts.Local!().Name);
        while (true)
        {
            // 2.
            var candidates = Candidates(tried, out var here);
            var placement = Choose(script, version, warm, candidates, here);
            if (placement.Worker is not { } chosen) return last ?? Nowhere(version, invocation.Script, placement.Fault, tried);
            tried.Add(chosen);
            last?.Dispose();
            // 3.
            if (here is not null && chosen == here.Name)
            {
                var reply = await RunHereAsync(invocation, run).ConfigureAwait(false);
                if (!CallRules.DidNotRun(reply.Outcome) || IsSpent(invocation)) return reply;
                last = reply;
                continue;
            }
            var worker = parts.Directory.Workers.FirstOrDefault(worker => worker.Name == chosen);
            if (worker is null) continue; // it has left this moment
            TimeSpan? left = invocation.CallerTimeout - time.GetElapsedTime(arrived);
            if (left <= TimeSpan.Zero) return Reply.Failure(Outcome.TimedOut, $"the caller's own limit passed before {version.Name} ran anywhere");
            var attempt = await CallAsync(worker, invocation, version, code, left).ConfigureAwait(false);
            switch (attempt)
            {
                case { Fate: CallFate.Ended, Reply: { } reply }:
                    if (!CallRules.DidNotRun(reply.Outcome) || attempt.IsBodySpent) return reply;
                    last = reply;
                    continue;
                case { Fate: CallFate.Cancelled }:
                    return invocation.CallerGone.IsCancellationRequested
                        ? Reply.Failure(Outcome.Cancelled, $"the caller left before {version.Name} answered")
                        : Reply.Failure(Outcome.TimedOut, $"{version.Name} did not answer within the caller's own limit");
                case { Fate: CallFate.Refused }:
                    if (attempt.Reason == NodeHeaders.RefusedDraining) worker.IsRefusing = true;
                    last = Reply.Failure(Outcome.Unavailable, $"the worker {worker.Name} did not take the call: {attempt.Words}", Soon);
                    break;
                default:
                    parts.Directory.Lost(worker, attempt.Words);
                    last = attempt.Fate == CallFate.NotSent
                        ? Reply.Failure(Outcome.Unavailable, $"the worker {worker.Name} cannot be reached: {attempt.Words}", Soon)
                        : Reply.Lost(Outcome.Crashed, $"the worker {worker.Name} was lost while it had the call ({attempt.Words}); {version.Name} may have run. It was not run again, because {invocation.Method} may do harm twice");
                    break;
            }
            // 4.
            if (!CallRules.MayRepeat(attempt, invocation.Method)) return last;
        }
    }

    private async ValueTask<CallAttempt> CallAsync(KnownWorker worker, Invocation invocation, FunctionVersion version, CodeVersion code, TimeSpan? left)
    {
        if (left is not { } remaining) return await worker.CallAsync(invocation, version.Spec, code, null, invocation.CallerGone).ConfigureAwait(false);
        using var limit = new CancellationTokenSource(remaining + Grace, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, invocation.CallerGone);
        return await worker.CallAsync(invocation, version.Spec, code, left, either.Token).ConfigureAwait(false);
    }

    private List<WorkerSnapshot> Candidates(HashSet<string> tried, out WorkerSnapshot? here)
    {
        here = parts.Local is { } local ? Measured(local()) : null;
        var candidates = new List<WorkerSnapshot>();
        if (here is not null && !tried.Contains(here.Name)) candidates.Add(here);
        foreach (var worker in parts.Directory.Workers)
            if (Usable(worker) && worker.IsAlive && !tried.Contains(worker.Name)) candidates.Add(Measured(worker.Describe()));
        if (candidates.Count > 0) return candidates;
        // Silent ones are better than none: a gateway may be cut off from the store, and not from them.
        foreach (var worker in parts.Directory.Workers)
            if (Usable(worker) && !tried.Contains(worker.Name)) candidates.Add(Measured(worker.Describe()));
        return candidates;
    }

    private static bool Usable(KnownWorker worker) => worker is { IsReachable: true, IsDraining: false, IsRefusing: false };

    private Placement Choose(AppScript? script, FunctionVersion version, int warm, List<WorkerSnapshot> candidates, WorkerSnapshot? here)
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
                if (ReferenceEquals(candidates[i], here) ? warm > 0 : IsWarm(candidates[i].Name, version.Name)) free.Add(i);
            placement = WarmFirstPolicy.Choose(request, candidates, free, Random.Shared);
        }
        // None has the memory, as far as is known. The machine itself knows better: it can let another instance go. A capacity that somebody asked for is kept to.
        return placement.Fault == PlacementFault.NoValidWorkers && spec.CapacityKiB is null ? DefaultPolicy.Choose(request with { Capacity = 0 }, candidates, Random.Shared) : placement;
    }

    private bool IsWarm(string worker, FunctionName function)
    {
        foreach (var known in parts.Directory.Workers)
            if (known.Name == worker) return known.IsWarm(function);
        return false;
    }

    // A streamed body that this machine's instance has begun to read cannot go elsewhere. One that nothing ran with has not been read, but nobody can tell by looking.
    private static bool IsSpent(Invocation invocation) => invocation.BodyStream is not null;

    private static Reply Nowhere(FunctionVersion version, string? script, PlacementFault fault, HashSet<string> tried) => Reply.Failure(Outcome.Unavailable, fault switch
    {
        PlacementFault.NoMatchingTag => $"the script {script} has neither the tag of {version.Name} nor a tag '{AppScript.DefaultTag}'",
        PlacementFault.NoValidWorkers when script is not null => $"the script {script} lets no worker take {version.Name} now",
        PlacementFault.NoValidWorkers => $"no worker has the memory that {version.Name} asks for (capacity)",
        _ => tried.Count > 0 ? $"none of {tried.Count} workers took the call of {version.Name}" : $"there is no worker that could run {version.Name}: this gateway runs no instances (worker = false), and none is alive; 'stint cluster ls' lists them",
    }, Soon);
}
