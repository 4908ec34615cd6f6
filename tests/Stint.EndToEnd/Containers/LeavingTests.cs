using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers;

/// <summary>What is left at the engine when functions, instances and daemons go, each in its way.</summary>
[Collection(TestEngine.Collection)]
public sealed class LeavingTests(TestEngine engine)
{
    [Fact]
    public async Task A_daemon_that_is_told_to_stop_lets_calls_end_and_leaves_nothing()
    {
        await using var owner = await ContainerDaemon.StartAsync(engine);
        await owner.DeployAsync("web", Guests.Web, top: "min-instances = 2");
        await owner.DeployAsync("deaf", Guests.Deaf);
        await owner.ShellAsync("deaf", "true");
        await owner.WaitForRunningAsync("web", 2);
        var call = owner.ShellAsync("web", "sleep 5; echo ended");
        await Retry.UntilAsync("the call runs", async () => (await owner.Daemon.DescribeAsync("web")).GetProperty("instances").GetProperty("busy").GetInt32() == 1);
        owner.Daemon.Signal(15);
        Assert.Equal("ended\n", await call);
        Assert.Equal(0, await owner.Daemon.ExitAsync());
        Assert.Empty(await engine.FindLabelledAsync(ContainerLabels.Daemon));
    }

    [Fact]
    public async Task The_next_daemon_removes_what_a_killed_one_left_and_nothing_else()
    {
        await Guests.MakeAsync(engine);
        await using var foreign = new TestObjects(engine);
        var network = await engine.Client.Networks.CreateAsync(new NetworkSettings { Name = "foreign", Labels = foreign.Labels, IPAM = NetworkAddresses.Of(Last(engine)) }, default);
        await foreign.StartAsync("sleep 1000000");
        // Another daemon's, who may be there as well.
        var other = await foreign.StartAsync("sleep 1000000", settings => settings with
        {
            Labels = new Dictionary<string, string>(foreign.Labels) { [ContainerLabels.TinyFaas] = "", [ContainerLabels.Daemon] = "another", [ContainerLabels.Role] = ContainerLabels.ContainerRole },
        });

        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            await using (var first = await ContainerDaemon.StartAsync(engine, new DaemonSetup { Root = root }))
            {
                await first.DeployAsync("web", Guests.Web, top: "min-instances = 2");
                await first.WaitForRunningAsync("web", 2);
                await first.Daemon.KillAsync();
                Assert.NotEmpty(await first.ContainersAsync("web"));
                await using var second = await ContainerDaemon.StartAsync(engine, new DaemonSetup { Root = root });
                await second.Daemon.WaitForLogAsync("left of an earlier run, was removed");
                await second.WaitForRunningAsync("web", 2);
                Assert.Equal("served\n", await second.ShellAsync("web", "echo served"));
                await Retry.UntilAsync("only the new daemon's network is there", async () => (await engine.Client.Networks.ListAsync(ContainerLabels.Ours(second.Id), default)).Count == 1);

                // And one that finds its registry empty.
                await second.Daemon.KillAsync();
                Directory.Delete(second.Daemon.Registry, recursive: true);
                await using var third = await ContainerDaemon.StartAsync(engine, new DaemonSetup { Root = root });
                await Retry.UntilAsync("nothing of the earlier ones is left", async () => (await engine.FindLabelledAsync(ContainerLabels.Daemon)).Count == 1);
                await engine.Client.Containers.RemoveAsync(other, default);
            }
            Assert.Equal("foreign", (await engine.Client.Networks.InspectAsync(network, default)).Name);
            Assert.Single(await engine.Client.Containers.ListAsync(foreign.Filters(), default), static container => container.IsRunning);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task What_is_removed_or_wiped_or_becomes_something_else_leaves_nothing()
    {
        await using var owner = await ContainerDaemon.StartAsync(engine);
        foreach (var name in (string[])["one", "two", "three"])
        {
            await owner.DeployAsync(name, Guests.Web, top: "min-instances = 1");
            await owner.WaitForRunningAsync(name, 1);
        }
        (await owner.Daemon.CliAsync("rm", "one")).Good();
        await Retry.UntilAsync("nothing of it is left", async () => (await FindAsync("one")).Count == 0);
        await owner.Daemon.DeployPythonAsync("two", "def fn(input, headers): return 'no container'");
        Assert.Equal((200, "no container"), await owner.Daemon.CallAsync("two"));
        await Retry.UntilAsync("nothing of it is left", async () => (await FindAsync("two")).Count == 0);
        Assert.NotEmpty(await FindAsync("three"));
        (await owner.Daemon.CliAsync("wipe", "--yes")).Good();
        await ContainerDaemon.WaitForNothingLeftAsync(engine);
        // A deployment that fails leaves nothing of its attempt.
        await Assert.ThrowsAsync<InvalidOperationException>(() => owner.DeployAsync("failed", Guests.Broken, ""));
        await ContainerDaemon.WaitForNothingLeftAsync(engine);
    }

    [Fact]
    public async Task An_edit_under_load_loses_no_call_and_moves_to_a_larger_network_when_it_must()
    {
        await using var owner = await ContainerDaemon.StartAsync(engine);
        await owner.DeployAsync("edited", Guests.Web, top: "max-instances = 2\nqueue-timeout = 60\n[env]\nANSWER = \"0\"");
        using var stop = new CancellationTokenSource();
        var answers = new System.Collections.Concurrent.ConcurrentQueue<(int Status, string Body)>();
        var callers = Enumerable.Range(0, 2).Select(async _ =>
        {
            while (!stop.IsCancellationRequested) answers.Enqueue(await owner.Daemon.CallAsync("edited/cgi-bin/sh", "echo $ANSWER"));
        }).ToList();
        for (var version = 1; version <= 3; version++)
        {
            // By hand, as UniFaaS's users do.
            var toml = Directory.GetFiles(owner.Daemon.Registry, "function.toml", SearchOption.AllDirectories).Single();
            await File.WriteAllTextAsync(toml, $"max-instances = {version * 20}\nqueue-timeout = 60\n[container]\nimage = \"{Guests.Web}\"\nport = 8080\n[env]\nANSWER = \"{version}\"\n");
            await Retry.UntilAsync($"version {version} answers", () => answers.Any(answer => answer == (200, $"{version}\n")));
        }
        await stop.CancelAsync();
        await Task.WhenAll(callers);
        Assert.All(answers, static answer => Assert.True(answer.Status == 200, answer.ToString()));
        await Retry.UntilAsync("one network is left", async () => (await engine.Client.Networks.ListAsync(EngineFilters.Label(ContainerLabels.Function, "edited"), default)).Count == 1);
    }

    private async Task<IReadOnlyList<string>> FindAsync(string function) => await engine.FindLabelledAsync(ContainerLabels.Function, function);

    /// <summary>The last addresses of the tests' range.</summary>
    private static string Last(TestEngine engine)
    {
        var bytes = engine.Addresses.BaseAddress.GetAddressBytes();
        return $"{bytes[0]}.{bytes[1]}.{bytes[2] + 15}.0/24";
    }
}
