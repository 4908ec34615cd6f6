using System.IO.Pipelines;
using Stint.Backends.Wasm;
using Stint.Cluster.Dispatch;
using Stint.Dialects.OpenFaas;
using Stint.Ingress.Http;
using Stint.Invocations;
using Stint.Pools;
using Stint.Telemetry;
using Stint.Telemetry.Metrics;

namespace Stint.Hosting;

/// <summary>Everything that <c>GET /metrics</c> says, read when it is asked. Names follow https://prometheus.io/docs/practices/naming/.</summary>
internal static class PlatformMetrics
{
    private static readonly Outcome[] Failures = [.. Enum.GetValues<Outcome>().Where(static outcome => outcome != Outcome.Answered)];
    private static readonly (InstanceState State, string Label)[] States = [(InstanceState.Starting, "starting"), (InstanceState.Idle, "idle"), (InstanceState.Busy, "busy"), (InstanceState.Draining, "draining")];

    /// <summary>Writes the text.</summary>
    /// <param name="platform">What is read.</param>
    /// <param name="gateway">What OpenFaaS's dialect has counted.</param>
    /// <param name="output">Takes it piece by piece.</param>
    /// <param name="cancellationToken">Nobody wants it any more.</param>
    public static async Task WriteAsync(Platform platform, FaasMeter gateway, PipeWriter output, CancellationToken cancellationToken)
    {
        var text = new MetricsText(output);
        var pools = platform.Router.Pools.Select(static pool => (Name: pool.Name.ToString(), Pool: pool)).OrderBy(static pool => pool.Name, StringComparer.Ordinal).ToList();

        text.Family("stint_requests_total", MetricKind.Counter, "Calls that ran on this machine, by function and status; what the platform answered has the status of HTTP's table in docs/errors.md.");
        await ForEachAsync(static (text, name, pool) => Requests(text, name, pool.Counters));
        await HistogramsAsync("stint_request_duration_seconds", "From a call's arrival at its pool to the beginning of its answer.", static counters => counters.Durations);
        await HistogramsAsync("stint_queue_wait_seconds", "How long calls waited for an instance, of those that had to.", static counters => counters.QueueWaits);
        await ValuesAsync("stint_queue_length", MetricKind.Gauge, "Calls that wait for an instance.", static pool => pool.QueueLength);

        await ValuesAsync("stint_cold_starts_total", MetricKind.Counter, "Instances that got ready.", static pool => pool.Counters.ColdStarts);
        await HistogramsAsync("stint_cold_start_duration_seconds", "From asking for an instance to its being ready.", static counters => counters.ColdStartDurations);
        await ValuesAsync("stint_start_failures_total", MetricKind.Counter, "Instances that did not get ready.", static pool => pool.Counters.StartFailures);
        await ValuesAsync("stint_instance_deaths_total", MetricKind.Counter, "Instances that ended by themselves.", static pool => pool.Counters.Deaths);
        await ValuesAsync("stint_instances_replaced_total", MetricKind.Counter, "Instances that were killed because they broke their contract, did not let go of a call, or did not answer a probe.", static pool => pool.Counters.Replaced);
        text.Family("stint_instances", MetricKind.Gauge, "Instances by state.");
        await ForEachAsync(static (text, name, pool) =>
        {
            foreach (var (state, label) in States) text.Sample(pool.Count(state), ("function", name), ("state", label));
        });

        await ValuesAsync("stint_function_failing", MetricKind.Gauge, "1 when a function does not run as it should; stint describe says why.", static pool => pool.Health.Problem is null ? 0 : 1);
        await ValuesAsync("stint_backoff_seconds", MetricKind.Gauge, "What remains until the next start of a function whose instances keep failing; 0 when nothing has to wait.", static pool => pool.Health.RetryIn?.TotalSeconds ?? 0);
        await ValuesAsync("stint_instance_memory_bytes", MetricKind.Gauge, "Memory of all instances of a function together.", static pool => pool.ReadMemory());
        if (platform.Gateway is { } node) await PlacedAsync(node.Calls);
        Host(text, platform);
        HostMetrics.Write(text, platform.Options.NodeName ?? Cluster.Identity.NodeName.Of(Environment.MachineName));
        await DeliveryMetrics.WriteAsync(text, platform.Deliveries).ConfigureAwait(false);
        await gateway.WriteAsync(text, Replicas(platform), cancellationToken).ConfigureAwait(false);
        Process(text);
        await text.SendAsync(cancellationToken).ConfigureAwait(false);

        // What the gateways of a cluster have answered with the help of others, under names of its own: the same calls are in stint_requests_total of those others.
        async Task PlacedAsync(CallMeter calls)
        {
            text.Family("stint_cluster_requests_total", MetricKind.Counter, "Calls that this gateway answered and that did not run on it, by function and status: workers' answers, and its own where no worker had one.");
            await ForEachAsync((text, name, pool) => Placed(calls, pool, placed => Requests(text, name, placed.Elsewhere)));
            text.Family("stint_cluster_request_duration_seconds", MetricKind.Histogram, "From the arrival of such a call at this gateway to the beginning of its answer.");
            await ForEachAsync((text, name, pool) => Placed(calls, pool, placed => text.Sample(placed.Elsewhere.Durations, ("function", name))));
            text.Family("stint_cluster_tries_total", MetricKind.Counter, "Calls that this gateway sent to workers, by function and what became of them; one that was refused or lost may have been sent again.");
            await ForEachAsync((text, name, pool) => Placed(calls, pool, placed =>
            {
                foreach (var fate in FateCounts.Fates)
                    if (placed.Tries[fate] is > 0 and var count) text.Sample(count, ("function", name), ("fate", NodeMetrics.Label(fate)));
            }));
        }

        static void Placed(CallMeter calls, FunctionPool pool, Action<PlacedCalls> write)
        {
            if (calls.Of(pool.Name) is { } placed) write(placed);
        }

        async Task ForEachAsync(Action<MetricsText, string, FunctionPool> write)
        {
            foreach (var (name, pool) in pools)
            {
                write(text, name, pool);
                await text.FlushAsync(cancellationToken).ConfigureAwait(false);
            }
        }

        Task ValuesAsync(string family, MetricKind kind, string help, Func<FunctionPool, double> read)
        {
            text.Family(family, kind, help);
            return ForEachAsync((text, name, pool) => text.Sample(read(pool), ("function", name)));
        }

        Task HistogramsAsync(string family, string help, Func<PoolCounters, Histogram> read)
        {
            text.Family(family, MetricKind.Histogram, help);
            return ForEachAsync((text, name, pool) => text.Sample(read(pool.Counters), ("function", name)));
        }
    }

    /// <summary>Writes what OpenFaaS's gateway says at a port of its own.</summary>
    /// <inheritdoc cref="WriteAsync"/>
    public static async Task WriteGatewayAsync(Platform platform, FaasMeter gateway, PipeWriter output, CancellationToken cancellationToken)
    {
        var text = new MetricsText(output);
        await gateway.WriteAsync(text, Replicas(platform), cancellationToken).ConfigureAwait(false);
        Process(text);
        await text.SendAsync(cancellationToken).ConfigureAwait(false);
    }

    private static List<(FunctionName, int)> Replicas(Platform platform) => [.. platform.Router.Pools.OrderBy(static pool => pool.Name.ToString(), StringComparer.Ordinal)
        .Select(static pool => (pool.Name, pool.Count(InstanceState.Starting) + pool.Count(InstanceState.Idle) + pool.Count(InstanceState.Busy)))];

    private static void Requests(MetricsText text, string name, CallCounters counters)
    {
        var codes = counters.Statuses.Read().ToDictionary(static entry => entry.Status, static entry => entry.Count);
        foreach (var outcome in Failures)
        {
            var status = HttpOutcome.Status(outcome);
            if (counters.Requests(outcome) is > 0 and var count) codes[status] = codes.GetValueOrDefault(status) + count;
        }
        foreach (var (code, count) in codes.OrderBy(static entry => entry.Key)) text.Sample(count, ("function", name), ("code", $"{code}"));
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
        if (platform.Wasm.IsInUse) WebAssembly(text, platform.Wasm);
        EventMetrics.Write(text, platform);
        NodeMetrics.Write(text, platform);
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

    private static void WebAssembly(MetricsText text, WasmBackend wasm)
    {
        var (all, idle) = wasm.Runners;
        text.Family("stint_wasm_runners", MetricKind.Gauge, "Processes that all WebAssembly functions share, by state; absent until a function needs them.");
        text.Sample(idle, ("state", "idle"));
        text.Sample(all - idle, ("state", "busy"));
        text.Family("stint_wasm_runner_starts_total", MetricKind.Counter, "Runners that got ready.").Sample(wasm.Meter.Started);
        text.Family("stint_wasm_runner_kills_total", MetricKind.Counter, "Runners that were killed because the call in them had no time left, or no caller.").Sample(wasm.Meter.Killed);
        text.Family("stint_wasm_runner_deaths_total", MetricKind.Counter, "Runners that died in a call.").Sample(wasm.Meter.Died);
        text.Family("stint_wasm_wait_seconds", MetricKind.Histogram, "How long calls waited for a runner.").Sample(wasm.Meter.Waiting);
        text.Family("stint_wasm_compile_seconds", MetricKind.Histogram, "Compiling a module in one runner.").Sample(wasm.Meter.Compiling);
        text.Family("stint_wasm_instantiate_seconds", MetricKind.Histogram, "Making a call's instance, in the runner.").Sample(wasm.Meter.Instantiating);
        text.Family("stint_wasm_invoke_seconds", MetricKind.Histogram, "A call in its instance, in the runner, with its requests to the world.").Sample(wasm.Meter.Running);
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
}
