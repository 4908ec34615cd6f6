using System.Globalization;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>Containers of process functions through the life of daemon and engine.</summary>
[Collection(TestEngine.Collection)]
public sealed class DockerModeLifeTests(TestEngine engine)
{
    private const string Who = "import os\ndef fn(input, headers): return os.environ.get('WHO', '') + input\n";

    [Fact]
    public async Task A_daemon_that_stops_leaves_nothing()
    {
        await using (var daemon = await DockerMode.StartAsync(engine))
        {
            await daemon.DeployPythonAsync("here", Who, top: "min-instances = 2");
            Assert.Equal((200, "x"), await daemon.CallAsync("here", "x"));
            Assert.NotEmpty(await DockerMode.ObjectsAsync(engine));
        }
        Assert.Empty(await DockerMode.ObjectsAsync(engine));
    }

    [Fact]
    public async Task What_a_killed_daemon_leaves_the_next_one_removes()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            var setup = new DaemonSetup { Root = root, Flags = DockerMode.Flags(engine) };
            IReadOnlyList<ContainerSummary> left;
            await using (var first = await StintDaemon.StartAsync(setup))
            {
                await first.DeployPythonAsync("here", Who, top: "min-instances = 1\nkeepalive = -1");
                Assert.Equal((200, "x"), await first.CallAsync("here", "x"));
                await first.KillAsync();
                left = await engine.Client.Containers.ListAsync(EngineFilters.Label(ContainerLabels.Daemon), default);
                Assert.NotEmpty(left);
            }
            await using (var second = await StintDaemon.StartAsync(setup))
            {
                Assert.Equal((200, "y"), await second.CallAsync("here", "y"));
                var now = await engine.Client.Containers.ListAsync(EngineFilters.Label(ContainerLabels.Daemon), default);
                Assert.Empty(now.Select(static container => container.Id).Intersect(left.Select(static container => container.Id)));
            }
            Assert.Empty(await DockerMode.ObjectsAsync(engine));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task Twenty_functions_start_at_once_and_each_answers_as_itself()
    {
        await using var daemon = await StintDaemon.StartAsync(new DaemonSetup
        {
            Flags = DockerMode.Flags(engine),
            // In the registry from the beginning: a deployment would start each of them one by one.
            Before = static daemon =>
            {
                for (var n = 0; n < 20; n++)
                    FunctionFiles.Write(Path.Combine(daemon.Registry, "_", $"f{n}"), ("function.toml", $"queue-timeout = 120\nboot-timeout = 120\n[process]\nruntime = \"python3\"\n[env]\nWHO = \"{n}\"\n"), ("code/fn.py", Who));
            },
        });
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(n => daemon.CallAsync($"f{n}", "!")));
        Assert.Equal(Enumerable.Range(0, 20).Select(static n => (200, string.Create(CultureInfo.InvariantCulture, $"{n}!"))), answers);
    }

    [Fact]
    public async Task Without_spares_a_container_is_labelled_with_its_function()
    {
        await using var daemon = await DockerMode.StartAsync(engine, "--spares", "0", "--empty-sandboxes", "0");
        await daemon.DeployPythonAsync("mine", Who, process: "memory = 64\npids = 16\ncpus = 0.5\ntmp = 8", top: "min-instances = 1");
        Assert.Equal((200, "x"), await daemon.CallAsync("mine", "x"));
        var containers = await engine.Client.Containers.ListAsync(EngineFilters.Label(ContainerLabels.TinyFaasFunction, "mine").AndLabel(ContainerLabels.TinyFaas), default);
        var details = await engine.Client.Containers.InspectAsync(Assert.Single(containers).Id, default);
        Assert.Equal((64L << 20, 64L << 20, 16, 500_000_000), (details.HostConfig!.Memory, details.HostConfig.MemorySwap, details.HostConfig.PidsLimit, details.HostConfig.NanoCpus));
        Assert.Equal(8L << 20, details.HostConfig.ShmSize);
    }

    [Fact]
    public async Task A_spare_gets_the_limits_of_the_function_that_takes_it()
    {
        await using var daemon = await DockerMode.StartAsync(engine);
        await daemon.DeployPythonAsync("first", Who);
        await daemon.DeployPythonAsync("small", "def fn(input, headers): return open('/sys/fs/cgroup/memory/memory.limit_in_bytes').read() if __import__('os').path.exists('/sys/fs/cgroup/memory') else open('/sys/fs/cgroup/memory.max').read()\n", process: "memory = 48");
        await Retry.UntilAsync("a spare waits", async () => await MetricAsync("stint_spares{runtime=\"python3\"}") == "1");
        var before = int.Parse(await MetricAsync("stint_spare_starts_total"), CultureInfo.InvariantCulture);
        Assert.Equal((200, $"{48 << 20}\n"), await daemon.CallAsync("small"));
        Assert.Equal(before + 1, int.Parse(await MetricAsync("stint_spare_starts_total"), CultureInfo.InvariantCulture));

        async Task<string> MetricAsync(string name) =>
            (await daemon.Management.GetStringAsync("metrics")).Split('\n').FirstOrDefault(line => line.StartsWith(name + " ", StringComparison.Ordinal))?.Split(' ')[1] ?? "";
    }

    [Fact]
    public async Task A_container_that_somebody_removes_is_replaced()
    {
        await using var daemon = await DockerMode.StartAsync(engine);
        await daemon.DeployPythonAsync("here", Who, top: "keepalive = -1");
        Assert.Equal((200, "x"), await daemon.CallAsync("here", "x"));
        // All of them, also those that wait.
        foreach (var container in await engine.Client.Containers.ListAsync(EngineFilters.Label(ContainerLabels.Daemon), default)) await engine.Client.Containers.RemoveAsync(container.Id, default);
        await Retry.UntilAsync("it answers again", async () => await daemon.CallAsync("here", "y") == (200, "y"));
    }

    [Fact]
    public async Task An_engine_that_is_killed_and_comes_back_is_used_again()
    {
        await using var daemon = await DockerMode.StartAsync(engine);
        await daemon.DeployPythonAsync("here", Who, top: "keepalive = -1");
        Assert.Equal((200, "x"), await daemon.CallAsync("here", "x"));
        await engine.KillAsync();
        try
        {
            // What runs goes on: calls do not pass through the engine.
            Assert.Equal((200, "y"), await daemon.CallAsync("here", "y"));
        }
        finally
        {
            await engine.StartAsync();
        }
        // The engine has killed what ran before it.
        await Retry.UntilAsync("it answers again", async () => await daemon.CallAsync("here", "z") == (200, "z"));
    }

    [Fact]
    public async Task Usage_is_measured()
    {
        await using var daemon = await DockerMode.StartAsync(engine);
        await daemon.DeployPythonAsync("here", Who, top: "min-instances = 1");
        Assert.Equal((200, "x"), await daemon.CallAsync("here", "x"));
        await Retry.UntilAsync("its memory is known", async () => (await daemon.DescribeAsync("here")).GetProperty("instanceList")[0].GetProperty("memoryBytes").GetInt64() > 1 << 20);
    }
}
