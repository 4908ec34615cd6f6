using System.Globalization;
using Stint.Scheduling;

namespace Stint.Hosting;

/// <summary>This machine as a scheduler sees it: the one worker there is.</summary>
internal static class LocalWorker
{
    /// <summary>Its name, which scripts may use: the host's.</summary>
    public static string Name => Environment.MachineName;

    /// <summary>How it stands now. Memory is what the kernel says of the host; calls are those of all protocols.</summary>
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
        return new WorkerSnapshot(Name) { Memory = ReadMemory(File.ReadLines("/proc/meminfo")), Running = running, RunningTags = tags };
    }

    /// <summary>Reads <c>/proc/meminfo</c> (proc_meminfo(5)); null when it does not say.</summary>
    public static WorkerMemory? ReadMemory(IEnumerable<string> lines)
    {
        long? total = null, available = null;
        foreach (var line in lines)
        {
            if (line.StartsWith("MemTotal:", StringComparison.Ordinal)) total = Bytes(line);
            if (line.StartsWith("MemAvailable:", StringComparison.Ordinal)) available = Bytes(line);
            if (total is not null && available is not null) break;
        }
        return total is { } all && available is { } free ? new WorkerMemory(free, all) : null;
    }

    // NAME:   NUMBER kB
    private static long? Bytes(string line) =>
        line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var number, "kB"] && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes) ? kibibytes * 1024 : null;
}
