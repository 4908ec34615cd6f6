namespace Stint.Scheduling;

/// <summary>Chooses a worker as an APP script says. A function of its arguments, and of the dice for the strategy <c>random</c>.</summary>
internal static class AppPolicy
{
    /// <summary>Chooses.</summary>
    /// <param name="script">The script.</param>
    /// <param name="request">What the call needs.</param>
    /// <param name="workers">Who there is; <c>"*"</c> keeps their order.</param>
    /// <param name="random">The dice.</param>
    public static Placement Choose(AppScript script, SchedulingRequest request, IReadOnlyList<WorkerSnapshot> workers, Random random)
    {
        if (workers.Count == 0) return Placement.Nowhere(PlacementFault.NoWorkers);
        var fallback = script.Tags.GetValueOrDefault(AppScript.DefaultTag);
        var entry = request.Tag is { } name && script.Tags.TryGetValue(name, out var own) ? own : fallback;
        if (entry is null) return Placement.Nowhere(PlacementFault.NoMatchingTag);
        var placement = Choose(entry, request, workers, random);
        return placement.Fault == PlacementFault.NoValidWorkers && entry.FallsToDefault && fallback is not null && fallback != entry
            ? Choose(fallback, request, workers, random)
            : placement;
    }

    /// <summary>Whether a worker may take the call under a block's conditions.</summary>
    public static bool IsValid(AppBlock block, SchedulingRequest request, WorkerSnapshot worker)
    {
        if (block.MaxConcurrentInvocations is { } most && worker.Running >= most) return false;
        if (!block.Affinity.All(worker.RunningTags.Contains) || block.AntiAffinity.Any(worker.RunningTags.Contains)) return false;
        // As in the default policy, not to know is no reason against a worker; but a share of something unknown cannot be held to.
        if (worker.Memory is not { } memory) return block.CapacityUsed is null;
        if (request.Capacity > memory.Available) return false;
        // In doubles: a hundred times the bytes of a large machine is beyond 64 bits only in theory, but scripts and metrics come from outside.
        return block.CapacityUsed is not { } share || ((double)memory.Total - memory.Available + request.Capacity) * 100 <= (double)share * memory.Total;
    }

    private static Placement Choose(AppTag entry, SchedulingRequest request, IReadOnlyList<WorkerSnapshot> workers, Random random)
    {
        foreach (var block in entry.Blocks)
        {
            var named = block.Workers?.SelectMany(name => workers.Where(worker => worker.Name == name)) ?? workers;
            var valid = named.Where(worker => IsValid(block, request, worker)).ToArray();
            if (valid.Length == 0) continue;
            return block.Strategy switch
            {
                AppStrategy.BestFirst => Placement.On(valid[0]),
                AppStrategy.Random => Placement.On(valid[random.Next(valid.Length)]),
                AppStrategy.Platform => DefaultPolicy.Choose(request, valid, random),
            };
        }
        return Placement.Nowhere(PlacementFault.NoValidWorkers);
    }
}
