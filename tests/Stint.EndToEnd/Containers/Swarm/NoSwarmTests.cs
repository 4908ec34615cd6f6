using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Swarm;

/// <summary>Engines that are in no swarm, and daemons inside of one.</summary>
[Collection(Engine.TestEngine.Collection)]
public sealed class NoSwarmTests
{
    [Fact]
    public async Task An_engine_without_a_swarm_is_told_how_to_have_one()
    {
        await using var cluster = await SwarmCluster.StartAsync(1, isSwarm: false);
        await using var daemon = await cluster.StartDaemonAsync();
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => daemon.DeployAsync("web", $"[container]\nimage = \"{SwarmCluster.WebImage}\"\nport = 8080\n"));
        Assert.Contains("docker swarm init", refused.Message, StringComparison.Ordinal);
        var doctor = await Programs.RunAsync([.. Programs.Stint, "doctor", "--docker-host", cluster.Address], "/", environment: new Dictionary<string, string> { ["STINT_BACKEND"] = "swarm" });
        Assert.Contains("docker swarm init", doctor.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_in_the_network_reaches_tasks_over_it_and_nothing_is_published()
    {
        await using var cluster = await SwarmCluster.StartAsync(1);
        await cluster.DockerAsync("network", "create", "-d", "overlay", "--attachable", "inner");
        await cluster.DockerAsync("run", "-d", "--name", "gate", "--network", "inner", "--stop-signal", "KILL", SwarmCluster.MuteImage);
        var pid = (await cluster.DockerAsync("inspect", "-f", "{{.State.Pid}}", "gate")).Trim();
        using var space = Stint.Network.NetworkNamespace.OpenOf(int.Parse(pid, System.Globalization.CultureInfo.InvariantCulture));
        await using (var daemon = await cluster.StartDaemonAsync(new DaemonSetup { Namespace = space, Flags = ["--swarm-network", "inner", "--swarm-reach", "overlay"] }))
        {
            await daemon.DeployAsync("web", $"[container]\nimage = \"{SwarmCluster.WebImage}\"\nport = 8080\n");
            Assert.Equal(200, (await daemon.CallAsync("web/cgi-bin/host")).Status);
            var service = Assert.Single(await cluster.ServicesAsync("web"));
            Assert.Equal("null", (await cluster.DockerAsync("service", "inspect", service.ID, "--format", "{{json .Spec.EndpointSpec.Ports}}")).Trim());
        }
        await using var outside = await cluster.StartDaemonAsync(new DaemonSetup { Flags = ["--swarm-network", "inner", "--swarm-reach", "overlay"] });
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => outside.DeployAsync("web", $"[container]\nimage = \"{SwarmCluster.WebImage}\"\nport = 8080\n"));
        Assert.Contains("swarm-reach", refused.Message, StringComparison.Ordinal);
    }
}
