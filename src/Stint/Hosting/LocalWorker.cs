using Stint.Cluster.Nodes;
using Stint.Scheduling;

namespace Stint.Hosting;

/// <summary>This machine as a scheduler sees it.</summary>
internal static class LocalWorker
{
    /// <summary>Its name without a cluster, which scripts may use: the host's.</summary>
    public static string Name => Environment.MachineName;

    /// <summary>How it stands now, where there is no other: memory as of its last report, calls of all protocols that run at this moment.</summary>
    public static WorkerSnapshot Describe(Platform platform)
    {
        var running = 0;
        var tags = new HashSet<string>(StringComparer.Ordinal);
        foreach (var pool in platform.Router.Pools)
        {
            var calls = pool.InFlight - pool.QueueLength;
            if (calls <= 0) continue;
            running += calls;
            if (pool.Version.Spec.Tag is { } tag) tags.Add(tag);
        }
        return Describe(Name, platform.LastReport) with { Running = running, RunningTags = tags };
    }

    /// <summary>What a report says of a machine but for its calls, which somebody knows better.</summary>
    public static WorkerSnapshot Describe(string name, NodeReport report) => new(name)
    {
        Memory = report.MemoryMiB > 0 ? new WorkerMemory(report.AvailableMiB << 20, report.MemoryMiB << 20) : null,
        Cores = Math.Max(1, report.Processors),
    };
}
