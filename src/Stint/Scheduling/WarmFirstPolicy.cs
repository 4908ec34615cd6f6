namespace Stint.Scheduling;

/// <summary>
/// Stint's own policy: a worker that has a free warm instance of the function and a processor for it; else the less loaded of two workers that the dice name (M. Mitzenmacher, "The Power of Two Choices in
/// Randomized Load Balancing", 2001): nearly as even as asking all of them, and gateways that know the same do not all run to the same worker.
/// </summary>
internal static class WarmFirstPolicy
{
    // Throws of the dice for a worker that has the memory, before all of them are looked at.
    private const int Throws = 8;

    /// <summary>Chooses. Pure but for the dice; its time does not grow with the number of workers as long as most of them have memory left.</summary>
    /// <param name="request">What the call needs.</param>
    /// <param name="workers">Who there is.</param>
    /// <param name="warm">The places in <paramref name="workers"/> of those that have a free warm instance.</param>
    /// <param name="random">The dice.</param>
    public static Placement Choose(SchedulingRequest request, IReadOnlyList<WorkerSnapshot> workers, IReadOnlyList<int> warm, Random random)
    {
        if (workers.Count == 0) return Placement.Nowhere(PlacementFault.NoWorkers);
        var first = warm.Count == 0 ? null : Calmer(workers[warm[random.Next(warm.Count)]], workers[warm[random.Next(warm.Count)]]);
        if (first is { Load: < 1 }) return Placement.On(first);
        var other = OfTwo(request, workers, random);
        // A start costs processor time too: it is worth it only where there is some.
        if (first is not null) return Placement.On(other is { Load: < 1 } ? other : first);
        return other is not null ? Placement.On(other) : DefaultPolicy.Choose(request, workers, random);
    }

    private static WorkerSnapshot? OfTwo(SchedulingRequest request, IReadOnlyList<WorkerSnapshot> workers, Random random)
    {
        WorkerSnapshot? found = null;
        for (var i = 0; i < Throws; i++)
        {
            var candidate = workers[random.Next(workers.Count)];
            if (candidate.Memory is not { } memory || memory.Available < request.Capacity) continue;
            if (found is not null) return Calmer(found, candidate);
            found = candidate;
        }
        return found;
    }

    private static WorkerSnapshot Calmer(WorkerSnapshot one, WorkerSnapshot other) => other.Load < one.Load ? other : one;
}
