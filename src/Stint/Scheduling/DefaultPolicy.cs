namespace Stint.Scheduling;

/// <summary>
/// FunLess's policy for calls that name no script, and its scripts' strategy <c>platform</c> (contract funless.md, "Core and workers"): of the workers that have the memory, the one with most of it.
/// One that has not said what it has is taken when no other will do: else there would be no worker while the metrics are away.
/// </summary>
internal static class DefaultPolicy
{
    /// <summary>Chooses. Pure but for the dice.</summary>
    /// <param name="request">What the call needs.</param>
    /// <param name="workers">Who there is.</param>
    /// <param name="random">For the choice among workers that nothing is known of.</param>
    public static Placement Choose(SchedulingRequest request, IReadOnlyList<WorkerSnapshot> workers, Random random)
    {
        if (workers.Count == 0) return Placement.Nowhere(PlacementFault.NoWorkers);
        var best = workers.Where(worker => worker.Memory is { } memory && memory.Available >= request.Capacity).MaxBy(static worker => worker.Memory!.Value.Available);
        if (best is not null) return Placement.On(best);
        var silent = workers.Where(static worker => worker.Memory is null).ToArray();
        return silent.Length > 0 ? Placement.On(silent[random.Next(silent.Length)]) : Placement.Nowhere(PlacementFault.NoValidWorkers);
    }
}
