using Stint.Cluster.Dispatch;
using Stint.Telemetry.Metrics;

namespace Stint.Hosting;

/// <summary>What a gateway says of its workers.</summary>
internal static class NodeMetrics
{
    /// <summary>Writes it; nothing without a cluster.</summary>
    public static void Write(MetricsText text, Platform platform)
    {
        if (platform.Gateway?.Directory is not { } directory) return;
        var workers = directory.Workers;
        Each("stint_node_up", "1 while a worker's lease has not ended and it can be reached from this gateway.", static worker => worker is { IsAlive: true, IsReachable: true } ? 1 : 0);
        Each("stint_node_draining", "1 while a worker gets no new calls.", static worker => worker.IsDraining ? 1 : 0);
        Each("stint_node_running", "Calls that run on a worker, of all gateways, as far as this one knows.", static worker => worker.Describe().Running);
        Each("stint_node_in_flight", "Calls of this gateway that are on a worker.", static worker => worker.InFlight);
        Each("stint_node_memory_bytes", "What functions may have of a worker's memory.", static worker => worker.Report.MemoryMiB * 1048576.0);
        Each("stint_node_memory_available_bytes", "What of it another function could have, as the worker said last.", static worker => (worker.Describe().Memory?.Available).GetValueOrDefault());
        Each("stint_node_lag_seconds", "How long ago a worker was last heard of.", static worker => TimeProvider.System.GetElapsedTime(worker.HeardAt).TotalSeconds);
        text.Family("stint_node_tries_total", MetricKind.Counter, "Calls that this gateway sent to a worker, by what became of them, since the worker's start.");
        foreach (var worker in workers)
            foreach (var fate in FateCounts.Fates) text.Sample(worker.Tries[fate], ("node", worker.Name), ("fate", Label(fate)));
        if (platform.Gateway.Measured is { } measured)
            text.Family("stint_prometheus_machines", MetricKind.Gauge, "Machines whose memory the Prometheus server of the option prometheus knows; 0 while it does not answer.").Sample(measured.Machines ?? 0);

        void Each(string family, string help, Func<KnownWorker, double> read)
        {
            text.Family(family, MetricKind.Gauge, help);
            foreach (var worker in workers) text.Sample(read(worker), ("node", worker.Name));
        }
    }

    /// <summary>As a label has it: NotSent is <c>not-sent</c>.</summary>
    public static string Label(CallFate fate) => string.Concat(fate.ToString().Select(static (letter, at) => char.IsAsciiLetterUpper(letter) ? (at == 0 ? "" : "-") + char.ToLowerInvariant(letter) : $"{letter}"));
}
