using Stint.Ingress.Http;
using Stint.Invocations;
using Stint.Pools;
using Stint.Telemetry.Metrics;

namespace Stint.Hosting;

/// <summary>Everything that <c>GET /metrics</c> says, read when it is asked. Names follow https://prometheus.io/docs/practices/naming/.</summary>
internal static class PlatformMetrics
{
    /// <summary>The text.</summary>
    public static string Render(Platform platform)
    {
        var text = new MetricsText();
        var pools = platform.Router.Pools.OrderBy(static pool => pool.Name.ToString(), StringComparer.Ordinal).ToList();
        Requests(text, pools);
        Instances(text, pools);
        Health(text, pools);
        Host(text, platform);
        Process(text);
        return text.ToString();
    }

    private static void Requests(MetricsText text, List<FunctionPool> pools)
    {
        text.Family("stint_requests_total", MetricKind.Counter, "Calls by function and status; what the platform answered has the status of HTTP's table in docs/errors.md.");
        foreach (var pool in pools)
        {
            var codes = pool.Counters.Statuses.Read().ToDictionary(static entry => entry.Status, static entry => entry.Count);
            foreach (var outcome in Enum.GetValues<Outcome>().Where(static outcome => outcome != Outcome.Answered))
            {
                var status = HttpOutcome.Status(outcome);
                if (pool.Counters.Requests(outcome) is > 0 and var count) codes[status] = codes.GetValueOrDefault(status) + count;
            }
            foreach (var (code, count) in codes.OrderBy(static entry => entry.Key)) text.Sample(count, ("function", Name(pool)), ("code", $"{code}"));
        }
        text.Family("stint_request_duration_seconds", MetricKind.Histogram, "From a call's arrival at its pool to the beginning of its answer.");
        foreach (var pool in pools) text.Sample(pool.Counters.Durations, ("function", Name(pool)));
        text.Family("stint_queue_wait_seconds", MetricKind.Histogram, "How long calls waited for an instance, of those that had to.");
        foreach (var pool in pools) text.Sample(pool.Counters.QueueWaits, ("function", Name(pool)));
        text.Family("stint_queue_length", MetricKind.Gauge, "Calls that wait for an instance.");
        foreach (var pool in pools) text.Sample(pool.QueueLength, ("function", Name(pool)));
    }

    private static void Instances(MetricsText text, List<FunctionPool> pools)
    {
        text.Family("stint_cold_starts_total", MetricKind.Counter, "Instances that got ready.");
        foreach (var pool in pools) text.Sample(pool.Counters.ColdStarts, ("function", Name(pool)));
        text.Family("stint_cold_start_duration_seconds", MetricKind.Histogram, "From asking for an instance to its being ready.");
        foreach (var pool in pools) text.Sample(pool.Counters.ColdStartDurations, ("function", Name(pool)));
        text.Family("stint_start_failures_total", MetricKind.Counter, "Instances that did not get ready.");
        foreach (var pool in pools) text.Sample(pool.Counters.StartFailures, ("function", Name(pool)));
        text.Family("stint_instance_deaths_total", MetricKind.Counter, "Instances that ended by themselves.");
        foreach (var pool in pools) text.Sample(pool.Counters.Deaths, ("function", Name(pool)));
        text.Family("stint_instances_replaced_total", MetricKind.Counter, "Instances that were killed because they broke their contract, did not let go of a call, or did not answer a probe.");
        foreach (var pool in pools) text.Sample(pool.Counters.Replaced, ("function", Name(pool)));
        text.Family("stint_instances", MetricKind.Gauge, "Instances by state.");
        foreach (var pool in pools)
            foreach (var state in new[] { InstanceState.Starting, InstanceState.Idle, InstanceState.Busy, InstanceState.Draining })
                text.Sample(pool.Count(state), ("function", Name(pool)), ("state", state.ToString().ToLowerInvariant()));
    }

    private static void Health(MetricsText text, List<FunctionPool> pools)
    {
        var views = pools.ConvertAll(static pool => (Name: Name(pool), View: pool.Describe()));
        var now = TimeProvider.System.GetUtcNow();
        text.Family("stint_function_failing", MetricKind.Gauge, "1 when a function does not run as it should; stint describe says why.");
        foreach (var (name, view) in views) text.Sample(view.Problem is null ? 0 : 1, ("function", name));
        text.Family("stint_backoff_seconds", MetricKind.Gauge, "What remains until the next start of a function whose instances keep failing; 0 when nothing has to wait.");
        foreach (var (name, view) in views) text.Sample(view.NextRetry is { } retry ? Math.Max(0, (retry - now).TotalSeconds) : 0, ("function", name));
        text.Family("stint_instance_memory_bytes", MetricKind.Gauge, "Memory of all instances of a function together.");
        foreach (var (name, view) in views) text.Sample(view.Instances.Sum(static instance => instance.Usage.MemoryBytes), ("function", name));
    }

    private static void Host(MetricsText text, Platform platform)
    {
        const double mebibyte = 1024 * 1024;
        text.Family("stint_budget_instances", MetricKind.Gauge, "Instances that there may be on this host.").Sample(platform.Budget.Instances);
        text.Family("stint_budget_instances_used", MetricKind.Gauge, "Instances that there are, whatever their state.").Sample(platform.Budget.Used);
        text.Family("stint_budget_memory_bytes", MetricKind.Gauge, "Memory that instances may be promised on this host.").Sample(platform.Budget.MemoryMiB * mebibyte);
        text.Family("stint_budget_memory_used_bytes", MetricKind.Gauge, "Memory that instances have been promised.").Sample(platform.Budget.UsedMiB * mebibyte);
        text.Family("stint_budget_contended", MetricKind.Gauge, "1 while calls wait because the host has no room for another instance.").Sample(platform.Budget.IsContended ? 1 : 0);
        text.Family("stint_functions", MetricKind.Gauge, "Functions in the registry by state.");
        foreach (var group in platform.Registry.Snapshot.Functions.Values.GroupBy(static function => function.State)) text.Sample(group.Count(), ("state", group.Key.ToString().ToLowerInvariant()));
        text.Family("stint_build_duration_seconds", MetricKind.Histogram, "Duration of package tools' runs.").Sample(platform.Builds.Durations);
        text.Family("stint_spares", MetricKind.Gauge, "Blank interpreters that wait for a function.");
        var waiting = platform.Spares.Waiting;
        foreach (var (runtime, spares, _) in waiting) text.Sample(spares, ("runtime", runtime.ToString().ToLowerInvariant()));
        text.Family("stint_spare_starts_total", MetricKind.Counter, "Starts that took a waiting interpreter.").Sample(platform.Spares.Taken);
        text.Family("stint_empty_sandboxes", MetricKind.Gauge, "Sandboxes that wait for an interpreter.");
        foreach (var (runtime, _, empty) in waiting) text.Sample(empty, ("runtime", runtime.ToString().ToLowerInvariant()));
        text.Family("stint_empty_sandbox_starts_total", MetricKind.Counter, "Starts that took a waiting sandbox, but found no waiting interpreter.").Sample(platform.Spares.TakenEmpty);
        if (platform.Containers is { Host.Watch: { IsInUse: true } watch } containers)
        {
            text.Family("stint_container_engine_up", MetricKind.Gauge, "1 while the container engine answers; absent until a function needs it.").Sample(watch.Problem is null ? 1 : 0);
            text.Family("stint_containers", MetricKind.Gauge, "Containers of [container] functions by state: running, or created ahead.");
            text.Sample(watch.Running, ("state", "running"));
            text.Sample(watch.Created, ("state", "created"));
            text.Family("stint_container_spare_starts_total", MetricKind.Counter, "Starts that took a container that was created ahead.").Sample(containers.SparesTaken);
        }
        text.Family("stint_isolated", MetricKind.Gauge, "1 when every function runs in its own sandbox.").Sample(platform.Runtimes.Problem is null ? 1 : 0);
        text.Family("stint_limits_enforced", MetricKind.Gauge, "1 when memory, processes and cpu of instances are limited by control groups.").Sample(platform.Runtimes.LimitsProblem is null ? 1 : 0);
        if (platform.Runtimes.Networks is { } networks)
        {
            if (networks is { IsReady: true } or { Problem: not null })
                text.Family("stint_outbound_available", MetricKind.Gauge, "1 when functions can have a way to the world; not there before one needs it.").Sample(networks.IsReady ? 1 : 0);
            text.Family("stint_networks", MetricKind.Gauge, "Networks of instances, in use or made ahead.").Sample(networks.Count);
        }
        text.Family("stint_info", MetricKind.Gauge, "Always 1; the version is in the label.").Sample(1, ("version", ProgramVersion.Text));
    }

    // The names that every Prometheus client library uses.
    private static void Process(MetricsText text)
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        text.Family("process_cpu_seconds_total", MetricKind.Counter, "Processor time of the daemon.").Sample(process.TotalProcessorTime.TotalSeconds);
        text.Family("process_resident_memory_bytes", MetricKind.Gauge, "Resident memory of the daemon.").Sample(process.WorkingSet64);
        text.Family("process_start_time_seconds", MetricKind.Gauge, "When the daemon started, seconds since 1970.").Sample(new DateTimeOffset(process.StartTime.ToUniversalTime()).ToUnixTimeMilliseconds() / 1000.0);
        text.Family("process_open_fds", MetricKind.Gauge, "Open file descriptors of the daemon.").Sample(Directory.GetFiles("/proc/self/fd").Length);
        text.Family("process_threads", MetricKind.Gauge, "Threads of the daemon.").Sample(process.Threads.Count);
        text.Family("dotnet_gc_heap_bytes", MetricKind.Gauge, "Managed memory of the daemon.").Sample(GC.GetTotalMemory(forceFullCollection: false));
    }

    private static string Name(FunctionPool pool) => pool.Name.ToString();
}
