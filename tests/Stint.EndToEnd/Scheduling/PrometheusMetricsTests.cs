// A real Prometheus that asks a real daemon, a real node_exporter, and a page with the names of FunLess's worker, whose PromEx plugin cannot be run here.
using System.Diagnostics;
using Stint.EndToEnd.Fixtures;
using Stint.EndToEnd.Observability;
using Stint.Scheduling;
using Stint.Scheduling.Metrics;

namespace Stint.EndToEnd.Scheduling;

public sealed class PrometheusMetricsTests
{
    private const string FunLess = """
        # TYPE worker_prom_ex_os_mon_resources_available_mem gauge
        worker_prom_ex_os_mon_resources_available_mem 3000000000
        worker_prom_ex_os_mon_resources_free_mem 1000000000
        worker_prom_ex_os_mon_resources_total_mem 4000000000
        worker_prom_ex_os_mon_resources_load_avg1 1.5
        worker_prom_ex_os_mon_resources_load_avg5 0.75
        worker_prom_ex_os_mon_resources_load_avg15 0.25
        worker_prom_ex_os_mon_resources_cpu_utilization 37.5

        """;

    [Fact]
    public async Task Machines_of_each_kind_are_known_by_their_names()
    {
        await using var daemon = await StintDaemon.StartAsync(new DaemonSetup { Flags = ["--node-name", "edge1"] });
        var exporterPort = FreePorts.Take();
        using var exporter = Process.Start(Programs.Prepare(["prometheus-node-exporter", $"--web.listen-address=127.0.0.1:{exporterPort}", "--collector.disable-defaults", "--collector.meminfo", "--collector.loadavg", "--collector.cpu"], "/"))!;
        exporter.OutputDataReceived += static (_, _) => { };
        exporter.ErrorDataReceived += static (_, _) => { };
        exporter.BeginOutputReadLine();
        exporter.BeginErrorReadLine();
        await using var worker = new OnePage(FunLess);
        try
        {
            await using var prometheus = await RunningPrometheus.StartAsync($"""
                global:
                  scrape_interval: 1s
                scrape_configs:
                  - job_name: stint
                    static_configs: [{'{'} targets: ["localhost:{daemon.ManagementPort}"] {'}'}]
                  - job_name: node
                    static_configs: [{'{'} targets: ["127.0.0.1:{exporterPort}"] {'}'}]
                  - job_name: funless
                    static_configs: [{'{'} targets: ["127.0.0.1:{worker.Port}"], labels: {'{'} node: "worker@edge3" {'}'} {'}'}]
                """);
            using var metrics = new PrometheusMetrics(prometheus.Address);
            IReadOnlyDictionary<string, WorkerMetrics> found = new Dictionary<string, WorkerMetrics>();
            await Retry.UntilAsync("Prometheus has asked all of them twice", async () =>
            {
                found = await metrics.ReadAsync(default);
                return found.Count == 3 && found.Values.All(static machine => machine is { AvailableMemory: not null, TotalMemory: not null, Load15: not null, Cpu: not null });
            }, TimeSpan.FromSeconds(90));
            Assert.Equal(["127.0.0.1", "edge1", "edge3"], found.Keys.Order(StringComparer.Ordinal));
            Assert.Equal(new WorkerMetrics { AvailableMemory = 3_000_000_000, FreeMemory = 1_000_000_000, TotalMemory = 4_000_000_000, Load1 = 1.5, Load5 = 0.75, Load15 = 0.25, Cpu = 0.375 }, found["edge3"]);
            // The same machine, measured twice.
            Assert.Equal(found["127.0.0.1"].TotalMemory, found["edge1"].TotalMemory);
            Assert.All(found.Values, static machine => Assert.InRange(machine.Cpu!.Value, 0, 1));
            Assert.Equal(new WorkerMemory(3_000_000_000, 4_000_000_000), found["edge3"].Over(new WorkerSnapshot("edge3") { Running = 3 }).Memory);
        }
        finally
        {
            exporter.Kill();
            await exporter.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task A_server_that_is_away_or_something_else_is_said_so()
    {
        using var away = new PrometheusMetrics(new Uri($"http://127.0.0.1:{FreePorts.Take()}/"));
        Assert.Contains("does not answer", (await Assert.ThrowsAsync<IOException>(() => away.ReadAsync(default))).Message, StringComparison.Ordinal);
        await using var page = new OnePage("hello");
        using var other = new PrometheusMetrics(new Uri($"http://127.0.0.1:{page.Port}/"));
        Assert.Contains("is not Prometheus", (await Assert.ThrowsAsync<IOException>(() => other.ReadAsync(default))).Message, StringComparison.Ordinal);
    }
}
