using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster;

/// <summary>Workers that run what gateways send.</summary>
[Collection(TestPostgres.Collection)]
public sealed class WorkerTests(TestPostgres postgres)
{
    [Fact]
    public async Task A_call_goes_to_a_worker_and_its_answer_comes_back()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        await cluster.StartWorkerAsync("w1", gateway);
        await gateway.DeployPythonAsync("where", "import os\ndef fn(input): return input + ' from ' + str(os.getpid())");
        var (status, body) = await gateway.CallAsync("where", "hello");
        Assert.Equal(200, status);
        Assert.StartsWith("hello from ", body, StringComparison.Ordinal);
    }
}
