using System.Text.Json.Serialization;

namespace Stint.Backends.Containers.Engine;

/// <summary><c>GET /containers/{id}/stats</c>: what of it concerns us. A container that does not run has zeros.</summary>
internal sealed record ContainerStatistics
{
    /// <summary>Processor time.</summary>
    [JsonPropertyName("cpu_stats")]
    public CpuStatistics? Cpu { get; init; }

    /// <summary>Memory.</summary>
    [JsonPropertyName("memory_stats")]
    public MemoryStatistics? Memory { get; init; }

    /// <summary>Processor time since its start.</summary>
    [JsonIgnore]
    public TimeSpan CpuTime => TimeSpan.FromTicks((long)Math.Min((Cpu?.Usage?.TotalNanoseconds ?? 0) / 100, long.MaxValue));

    /// <summary>Memory in use, bytes, as docker stats has it: without pages of files that the kernel can drop.</summary>
    [JsonIgnore]
    public long MemoryBytes
    {
        get
        {
            if (Memory is not { } memory) return 0;
            var droppable = memory.Details is { } details ? details.TotalInactiveFile ?? details.InactiveFile ?? 0 : 0;
            return (long)Math.Min(memory.Usage > droppable ? memory.Usage - droppable : memory.Usage, long.MaxValue);
        }
    }
}

/// <summary>A container's processor time.</summary>
internal sealed record CpuStatistics
{
    /// <summary>The sums.</summary>
    [JsonPropertyName("cpu_usage")]
    public CpuUsage? Usage { get; init; }
}

/// <summary>Sums of processor time.</summary>
internal sealed record CpuUsage
{
    /// <summary>All processes on all processors.</summary>
    [JsonPropertyName("total_usage")]
    public ulong TotalNanoseconds { get; init; }
}

/// <summary>A container's memory.</summary>
internal sealed record MemoryStatistics
{
    /// <summary>Bytes charged to its control group.</summary>
    [JsonPropertyName("usage")]
    public ulong Usage { get; init; }

    /// <summary>Of what.</summary>
    [JsonPropertyName("stats")]
    public MemoryStatisticsDetails? Details { get; init; }
}

/// <summary>Lines of the control group's <c>memory.stat</c>.</summary>
internal sealed record MemoryStatisticsDetails
{
    /// <summary>Version 1: files' pages that were not used lately, bytes.</summary>
    [JsonPropertyName("total_inactive_file")]
    public ulong? TotalInactiveFile { get; init; }

    /// <summary>Version 2: the same.</summary>
    [JsonPropertyName("inactive_file")]
    public ulong? InactiveFile { get; init; }
}
