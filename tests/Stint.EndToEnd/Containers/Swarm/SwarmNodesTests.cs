using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Swarm;

/// <summary>A swarm of three nodes, each engine in a network namespace of its own.</summary>
[Collection(Engine.TestEngine.Collection)]
public sealed class SwarmNodesTests
{
    [Fact]
    public async Task A_node_is_lost_and_the_function_keeps_answering()
    {
        await using var cluster = await SwarmCluster.StartAsync(3);
        await using var daemon = await cluster.StartDaemonAsync();
        await daemon.DeployAsync("web", $"min-instances = 3\nmax-instances = 6\nkeepalive = -1\ntimeout = 5\nconstraints = [\"node.role == worker\"]\n[container]\nimage = \"{SwarmCluster.WebImage}\"\nport = 8080\n");
        await Retry.UntilAsync("three instances serve on both workers", async () =>
            (await daemon.DescribeAsync("web")).GetProperty("instances").GetProperty("idle").GetInt32() == 3 && (await cluster.RunningAsync("web")).Select(static task => task.NodeID).Distinct().Count() == 2);
        Assert.Equal(200, (await daemon.CallAsync("web/cgi-bin/host")).Status);

        await cluster.Nodes[2].CutAsync();
        // A call that meets one of the lost node's tasks fails, once for each of them; the others are answered.
        await Retry.UntilAsync("a call is answered", async () => (await daemon.CallAsync("web/cgi-bin/host")).Status == 200);
        await Retry.UntilAsync("all instances are on the node that is left", async () =>
        {
            var running = await cluster.RunningAsync("web");
            return running.Count == 3 && running.Select(static task => task.NodeID).Distinct().Count() == 1;
        }, TimeSpan.FromSeconds(90));
        // From now on none fails that begins when the instances have been replaced.
        await Retry.UntilAsync("thirty calls in a row are answered", async () =>
        {
            for (var call = 0; call < 30; call++)
                if ((await daemon.CallAsync("web/cgi-bin/host")).Status != 200) return false;
            return true;
        }, TimeSpan.FromSeconds(90));
        foreach (var service in await cluster.ServicesAsync()) await cluster.Manager.Services.RemoveAsync(service.ID, default);
    }
}
