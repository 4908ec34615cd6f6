namespace Stint.Scheduling.Metrics;

/// <summary>A machine's load, as far as somebody measured it.</summary>
internal sealed record WorkerMetrics
{
    /// <summary>Memory that could be given to functions without swapping, bytes.</summary>
    public long? AvailableMemory { get; init; }

    /// <summary>Memory that nothing uses, bytes.</summary>
    public long? FreeMemory { get; init; }

    /// <summary>All memory, bytes.</summary>
    public long? TotalMemory { get; init; }

    /// <summary>Processor time in use, from 0 to 1.</summary>
    public double? Cpu { get; init; }

    /// <summary>The load average of a minute.</summary>
    public double? Load1 { get; init; }

    /// <summary>The load average of five minutes.</summary>
    public double? Load5 { get; init; }

    /// <summary>The load average of a quarter of an hour.</summary>
    public double? Load15 { get; init; }

    /// <summary>A worker with its memory as it was measured, instead of as it said itself. What was not measured is not known, as in FunLess.</summary>
    public WorkerSnapshot Over(WorkerSnapshot worker) => worker with { Memory = AvailableMemory is { } available && TotalMemory is { } total ? new WorkerMemory(available, total) : null };
}
