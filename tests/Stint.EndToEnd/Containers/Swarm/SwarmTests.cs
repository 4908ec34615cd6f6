using System.Text.Json;
using Stint.EndToEnd.Dialects;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Swarm;

/// <summary>One swarm of one node for all tests of a class.</summary>
public sealed class OneNodeSwarm : IAsyncLifetime
{
    internal SwarmCluster Cluster { get; private set; } = null!;

    /// <inheritdoc/>
    public async Task InitializeAsync() => Cluster = await SwarmCluster.StartAsync(1);

    /// <inheritdoc/>
    public Task DisposeAsync() => Cluster.DisposeAsync().AsTask();
}

/// <summary>Functions as services of a real swarm of one node.</summary>
[Collection(Engine.TestEngine.Collection)]
public sealed class SwarmTests(OneNodeSwarm swarm) : IClassFixture<OneNodeSwarm>, IAsyncLifetime
{
    private StintDaemon _daemon = null!;

    private SwarmCluster Cluster => swarm.Cluster;

    /// <inheritdoc/>
    public async Task InitializeAsync() => _daemon = await Cluster.StartDaemonAsync();

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        await _daemon.DisposeAsync();
        foreach (var service in await Cluster.ServicesAsync()) await Cluster.Manager.Services.RemoveAsync(service.ID, default);
    }

    [Fact]
    public async Task A_function_is_a_service_whose_replicas_follow_its_instances_to_zero_and_back()
    {
        await _daemon.DeployAsync("web", Toml("keepalive = 1\nmax-instances = 4"));
        var (status, host) = await _daemon.CallAsync("web/cgi-bin/host");
        Assert.Equal(200, status);
        var service = Assert.Single(await Cluster.ServicesAsync("web"));
        Assert.Equal("web", service.Spec.Labels["function"]);
        Assert.StartsWith("web-", service.Spec.Name, StringComparison.Ordinal);
        Assert.Matches("^[0-9a-f]{12}\n$", host);

        await Retry.UntilAsync("the service has no replica", async () => Assert.Single(await Cluster.ServicesAsync("web")).Spec.Replicas == 0);
        Assert.Equal(200, (await _daemon.CallAsync("web/cgi-bin/host")).Status);
        await Retry.UntilAsync("what the tasks print is in the log", async () => (await _daemon.LogsAsync("web")).Contains("serving", StringComparison.Ordinal));

        Assert.Equal(0, (await _daemon.CliAsync("rm", "web")).Code);
        await Retry.UntilAsync("the service is gone", async () => (await Cluster.ServicesAsync("web")).Count == 0);
    }

    [Fact]
    public async Task Each_instance_is_a_task_and_calls_at_a_time_are_on_different_ones()
    {
        await _daemon.DeployAsync("many", Toml("min-instances = 3\nmax-instances = 3\nkeepalive = -1"));
        await Retry.UntilAsync("three tasks run", async () => (await Cluster.RunningAsync("many")).Count == 3 && (await _daemon.DescribeAsync("many")).GetProperty("instances").GetProperty("idle").GetInt32() == 3);
        // Each goes on when all three are in.
        var calls = Enumerable.Range(0, 3).Select(_ => _daemon.CallAsync("many/cgi-bin/sh", "hostname; until [ -e /tmp/go ]; do sleep 0.1; done")).ToList();
        await Retry.UntilAsync("all three calls run", async () => (await _daemon.DescribeAsync("many")).GetProperty("instances").GetProperty("busy").GetInt32() == 3);
        foreach (var container in (await Cluster.DockerAsync("ps", "-q", "--filter", "label=stint.function=many")).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            await Cluster.DockerAsync("exec", container, "touch", "/tmp/go");
        var hosts = (await Task.WhenAll(calls)).Select(static answer => answer.Body).ToHashSet();
        Assert.Equal(3, hosts.Count);

        using var faas = new FaasClient(_daemon.ManagementPort);
        Assert.Equal(202, (await faas.SendAsync("POST", "system/scale-function/many", """{"serviceName":"many","replicas":1}""")).Status);
        await Retry.UntilAsync("one replica is left", async () => Assert.Single(await Cluster.ServicesAsync("many")).Spec.Replicas == 1);
        Assert.Equal(202, (await faas.SendAsync("POST", "system/scale-function/many", """{"serviceName":"many","replicas":2}""")).Status);
        await Retry.UntilAsync("two tasks run", async () => (await Cluster.RunningAsync("many")).Count == 2);
        Assert.Equal(200, (await _daemon.CallAsync("many/cgi-bin/host")).Status);
    }

    [Fact]
    public async Task A_deployment_has_its_limits_secrets_and_constraints_and_the_next_version_takes_over()
    {
        using var faas = new FaasClient(_daemon.ManagementPort);
        Assert.Equal(201, (await faas.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"s3cret"}""")).Status);
        string Body(string greeting, string more = "") => $$"""
            {"service":"whole","image":"{{SwarmCluster.WebImage}}","envVars":{"GREETING":"{{greeting}}"},"constraints":["node.role == manager"],"secrets":["api-key"],"labels":{"team":"edge","com.openfaas.scale.min":"1"},
             "limits":{"memory":"64Mi","cpu":"500m"},"requests":{"memory":"32Mi","cpu":"100m"},"readOnlyRootFilesystem":true{{more}}}
            """;
        var deployed = await faas.DeployAsync(Body("one"));
        Assert.True(deployed.Status == 202, deployed.Body);
        const string script = "echo $GREETING; cat /var/openfaas/secrets/api-key; echo; touch /x 2>/dev/null || echo no-root; touch /tmp/x && echo tmp; grep CapEff /proc/self/status; cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null";
        Assert.Equal((200, $"one\ns3cret\nno-root\ntmp\nCapEff:\t0000000000000000\n{64 << 20}\n"), await _daemon.CallAsync("whole/cgi-bin/sh", script));
        var first = Assert.Single(await Cluster.ServicesAsync("whole"));
        Assert.Equal("edge", first.Spec.Labels["team"]);
        using var spec = JsonDocument.Parse(await Cluster.DockerAsync("service", "inspect", first.ID, "--format", "{{json .Spec}}"));
        var task = spec.RootElement.GetProperty("TaskTemplate");
        Assert.Equal("node.role==manager", task.GetProperty("Placement").GetProperty("Constraints")[0].GetString());
        Assert.Equal(500_000_000, task.GetProperty("Resources").GetProperty("Limits").GetProperty("NanoCPUs").GetInt64());
        Assert.Equal((32L << 20, 100_000_000), (task.GetProperty("Resources").GetProperty("Reservations").GetProperty("MemoryBytes").GetInt64(), task.GetProperty("Resources").GetProperty("Reservations").GetProperty("NanoCPUs").GetInt64()));
        Assert.Equal("start-first", spec.RootElement.GetProperty("UpdateConfig").GetProperty("Order").GetString());

        Assert.Equal((202, ""), await faas.DeployAsync(Body("two")));
        Assert.StartsWith("two\n", (await _daemon.CallAsync("whole/cgi-bin/sh", script)).Body, StringComparison.Ordinal);
        await Retry.UntilAsync("the old version's service is gone", async () => (await Cluster.ServicesAsync("whole")).All(service => service.ID != first.ID) && (await Cluster.ServicesAsync("whole")).Count == 1);

        // A secret that is set again reaches instances that run: they are replaced.
        Assert.Equal(202, (await faas.SendAsync("PUT", "system/secrets", """{"name":"api-key","value":"changed"}""")).Status);
        await Retry.UntilAsync("the new value is read", async () => (await _daemon.CallAsync("whole/cgi-bin/sh", script)).Body.Contains("changed", StringComparison.Ordinal));

        Assert.Equal(202, (await faas.SendAsync("DELETE", "system/functions", """{"functionName":"whole"}""")).Status);
        await Retry.UntilAsync("services and secrets are gone", async () => (await Cluster.ServicesAsync("whole")).Count == 0 && (await Cluster.DockerAsync("secret", "ls", "-q")).Trim().Length == 0);
    }

    [Fact]
    public async Task A_version_that_does_not_get_ready_changes_nothing_and_says_what_it_printed()
    {
        await _daemon.DeployAsync("careful", Toml("min-instances = 1"));
        var before = Assert.Single(await Cluster.ServicesAsync("careful"));
        var broken = await Assert.ThrowsAsync<InvalidOperationException>(() => _daemon.DeployAsync("careful", Toml("min-instances = 1", SwarmCluster.BrokenImage)));
        Assert.Contains("cannot find my lines", broken.Message, StringComparison.Ordinal);
        var mute = await Assert.ThrowsAsync<InvalidOperationException>(() => _daemon.DeployAsync("careful", Toml("min-instances = 1", SwarmCluster.MuteImage)));
        Assert.Contains("accepts no connection", mute.Message, StringComparison.Ordinal);
        Assert.Contains("waiting for Godot", mute.Message, StringComparison.Ordinal);
        Assert.Equal(before.ID, Assert.Single(await Cluster.ServicesAsync("careful")).ID);
        Assert.Equal(200, (await _daemon.CallAsync("careful/cgi-bin/host")).Status);
    }

    [Fact]
    public async Task What_cannot_be_is_refused_with_what_to_do()
    {
        await RefusedAsync("[container]\nimage = \"swarm-web:1\"\n", "callback");
        await RefusedAsync(Toml("single-use = true"), "single-use");
        await RefusedAsync(Toml("", "nobody-has-this:1"), "no such image");
        await RefusedAsync(Toml("constraints = [\"node.role == worker\"]"), "no suitable node (scheduling constraints not satisfied on 1 node)");
        await RefusedAsync(Toml("constraints = [\"node.rolle==\"]"), "invalid");
        await RefusedAsync(Toml("", more: "[requests]\nmemory = \"900Ti\"\n"), "no suitable node (insufficient resources on 1 node)");
        Assert.Empty(await Cluster.ServicesAsync("refused"));
    }

    [Fact]
    public async Task Services_outlive_their_daemon_and_the_next_one_takes_them_over()
    {
        var root = Directory.CreateTempSubdirectory("stint-swarm-");
        try
        {
            string host;
            await using (var first = await Cluster.StartDaemonAsync(new DaemonSetup { Root = root.FullName }))
            {
                await first.DeployAsync("stays", Toml("keepalive = 120\nmax-instances = 3"));
                await first.DeployAsync("goes", Toml("keepalive = 120"));
                host = (await first.CallAsync("stays/cgi-bin/host")).Body;
                Assert.Equal(200, (await first.CallAsync("goes/cgi-bin/host")).Status);
                await first.KillAsync();
            }
            Directory.Delete(Path.Combine(root.FullName, "functions", "_", "goes"), recursive: true);
            await using (var second = await Cluster.StartDaemonAsync(new DaemonSetup { Root = root.FullName }))
            {
                Assert.Equal((200, host), await second.CallAsync("stays/cgi-bin/host"));
                await Retry.UntilAsync("the service of what was removed meanwhile is gone", async () => (await Cluster.ServicesAsync("goes")).Count == 0);
            }
            // Stopped in good order: the same.
            Assert.Equal(1, Assert.Single(await Cluster.ServicesAsync("stays")).Spec.Replicas);
            var wiped = await Programs.RunAsync([.. Programs.Stint, "wipe", "--containers", "--yes", "--docker-host", Cluster.Address], root.FullName);
            Assert.True(wiped.Code == 0, wiped.Out + wiped.Error);
            Assert.Empty(await Cluster.ServicesAsync());
            Assert.DoesNotContain("stint", await Cluster.DockerAsync("network", "ls", "--format", "{{.Name}}"), StringComparison.Ordinal);
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    private async Task RefusedAsync(string toml, string why)
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => _daemon.DeployAsync("refused", toml));
        Assert.Contains(why, refused.Message, StringComparison.Ordinal);
    }

    private static string Toml(string top, string? image = null, string more = "") => $"{top}\n[container]\nimage = \"{image ?? SwarmCluster.WebImage}\"\nport = 8080\n{more}";
}
