using Stint.EndToEnd.Fixtures;
using Stint.EndToEnd.Observability;
using Stint.EndToEnd.Scheduling;

namespace Stint.EndToEnd.Cluster;

/// <summary>Workers chosen as FunLess's core does it: by the memory that a real Prometheus says they have.</summary>
[Collection(TestPostgres.Collection)]
public sealed class MeasuredWorkersTests(TestPostgres postgres)
{
    [Fact]
    public async Task Calls_go_where_Prometheus_says_that_there_is_most_memory()
    {
        await using var first = new OnePage(Memory(1_000_000_000));
        await using var second = new OnePage(Memory(3_000_000_000));
        await using var prometheus = await RunningPrometheus.StartAsync($"""
            global:
              scrape_interval: 1s
            scrape_configs:
              - job_name: one
                static_configs: [{'{'} targets: ["127.0.0.1:{first.Port}"], labels: {'{'} node: "worker@w1" {'}'} {'}'}]
              - job_name: two
                static_configs: [{'{'} targets: ["127.0.0.1:{second.Port}"], labels: {'{'} node: "worker@w2" {'}'} {'}'}]
            """);
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false", "--scheduling", "most-memory", "--prometheus", prometheus.Address.ToString());
        StintDaemon[] workers = [await cluster.StartWorkerAsync("w1", gateway), await cluster.StartWorkerAsync("w2", gateway)];
        await gateway.DeployPythonAsync("echo", "def fn(input): return input");
        await Retry.UntilAsync("calls go to the second worker", () => GoesToAsync(1));
        (first.Text, second.Text) = (second.Text, first.Text);
        await Retry.UntilAsync("calls go to the first worker", () => GoesToAsync(0));

        // Ten in a row, of which the other worker gets none.
        async Task<bool> GoesToAsync(int wanted)
        {
            var before = await CallsAsync(workers[1 - wanted]);
            for (var call = 0; call < 10; call++) Assert.Equal((200, "x"), await gateway.CallAsync("echo", "x"));
            return await CallsAsync(workers[1 - wanted]) == before;
        }
    }

    private static async Task<long> CallsAsync(StintDaemon worker)
    {
        try
        {
            return (await worker.DescribeAsync("echo")).GetProperty("requests").GetInt64();
        }
        catch (HttpRequestException)
        {
            return 0; // it has not been brought here
        }
    }

    private static string Memory(long available) => $"""
        # TYPE worker_prom_ex_os_mon_resources_available_mem gauge
        worker_prom_ex_os_mon_resources_available_mem {available}
        worker_prom_ex_os_mon_resources_total_mem 4000000000

        """;
}
