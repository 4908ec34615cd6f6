namespace Stint.Backends.Processes.Limits;

/// <summary>What one instance may use, all of its processes together.</summary>
/// <param name="MemoryBytes">Resident memory, its <c>/tmp</c> included; swap is not allowed on top.</param>
/// <param name="Pids">Processes and threads.</param>
/// <param name="Cpus">Cores on average; zero = no limit.</param>
internal readonly record struct InstanceLimits(long MemoryBytes, int Pids, double Cpus)
{
    /// <summary>The period over which a cpu limit is enforced: the kernel's default, 100 ms (Documentation/scheduler/sched-bwc).</summary>
    public const int CpuPeriodMicroseconds = 100_000;

    /// <summary>Microseconds of processor time in each period.</summary>
    public long CpuQuotaMicroseconds => (long)(Cpus * CpuPeriodMicroseconds);
}
