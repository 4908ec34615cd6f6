using Stint.Backends.Processes.Limits;

namespace Stint.Backends.Processes;

/// <summary>What a package tool may use, wherever it runs.</summary>
internal static class BuildResources
{
    /// <summary>Package tools are hungrier than functions: a compiler may run in there.</summary>
    public static InstanceLimits Limits { get; } = new(MemoryBytes: 2L << 30, Pids: 512, Cpus: 0);
}
