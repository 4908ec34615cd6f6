namespace Stint.Scheduling;

/// <summary>Where a call is to run, or why nowhere.</summary>
/// <param name="Worker">The worker's name; null when there is none.</param>
/// <param name="Fault">Why there is none.</param>
internal readonly record struct Placement(string? Worker, PlacementFault Fault)
{
    /// <summary>It runs there.</summary>
    public static Placement On(WorkerSnapshot worker) => new(worker.Name, PlacementFault.None);

    /// <summary>It runs nowhere.</summary>
    public static Placement Nowhere(PlacementFault fault) => new(null, fault);
}

/// <summary>Why a call is placed nowhere.</summary>
internal enum PlacementFault
{
    /// <summary>It is placed.</summary>
    None,

    /// <summary>There is no worker at all.</summary>
    NoWorkers,

    /// <summary>There are workers, but none that may take it.</summary>
    NoValidWorkers,

    /// <summary>The script has neither the function's tag nor a tag <c>default</c>.</summary>
    NoMatchingTag,
}
