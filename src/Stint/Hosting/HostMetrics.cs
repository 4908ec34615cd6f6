using System.Globalization;
using Stint.Telemetry.Metrics;

namespace Stint.Hosting;

/// <summary>What <c>GET /metrics</c> says of the machine: what schedulers that ask Prometheus need (<see cref="Scheduling.Metrics.PrometheusMetrics"/>), for hosts without a node_exporter.</summary>
internal static class HostMetrics
{
    private static readonly (string Family, string Row, string Help)[] Memory =
    [
        ("stint_host_memory_bytes", "MemTotal:", "Memory of the machine."),
        ("stint_host_memory_free_bytes", "MemFree:", "Memory that nothing uses."),
        ("stint_host_memory_available_bytes", "MemAvailable:", "Memory that programs could get without swapping."),
    ];

    /// <summary>Writes the families; those that the kernel does not tell are left out.</summary>
    /// <param name="text">Where to.</param>
    /// <param name="node">The machine's name.</param>
    public static void Write(MetricsText text, string node)
    {
        try
        {
            var rows = File.ReadAllLines("/proc/meminfo"); // proc_meminfo(5)
            foreach (var (family, row, help) in Memory)
            {
                if (rows.FirstOrDefault(line => line.StartsWith(row, StringComparison.Ordinal))?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var kibibytes, "kB"])
                    text.Family(family, MetricKind.Gauge, help).Sample(double.Parse(kibibytes, CultureInfo.InvariantCulture) * 1024, ("node", node));
            }
            if (File.ReadAllText("/proc/loadavg").Split(' ') is not [var one, var five, var fifteen, ..]) return;
            foreach (var (family, value, minutes) in new[] { ("stint_host_load1", one, "a minute"), ("stint_host_load5", five, "five minutes"), ("stint_host_load15", fifteen, "fifteen minutes") })
                text.Family(family, MetricKind.Gauge, $"Load average of {minutes}.").Sample(double.Parse(value, CultureInfo.InvariantCulture), ("node", node));
            // user, nice, system, idle, iowait, irq, softirq, steal: proc_stat(5), in ticks since the start.
            var ticks = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8).Select(static field => double.Parse(field, CultureInfo.InvariantCulture)).ToArray();
            text.Family("stint_host_cpu_seconds_total", MetricKind.Counter, "Processor time of the machine, by whether it was used.");
            var idle = ticks[3] + ticks[4];
            text.Sample((ticks.Sum() - idle) / TicksPerSecond, ("node", node), ("state", "busy"));
            text.Sample(idle / TicksPerSecond, ("node", node), ("state", "idle"));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            // A kernel that does not tell: whoever schedules does without.
        }
    }

    // USER_HZ, the same on every architecture that is supported.
    private const double TicksPerSecond = 100;
}
