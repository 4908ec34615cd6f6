using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Machines;

/// <summary>Workers on machines of their own: killed, frozen, cut off, upgraded, with wrong clocks, while calls go on. The table in docs/cluster.md.</summary>
[Collection(MachineNetwork.Collection)]
public sealed class WorkerFailureTests(MachineNetwork network) : IDisposable
{
    private const int SigCont = 18, SigStop = 19, Callers = 3;

    private const string Echo = "def fn(input): return input\n";

    private readonly MachineCluster _cluster = new(network);

    public void Dispose() => _cluster.Dispose();

    [Fact]
    public async Task A_worker_is_killed_under_load_and_only_calls_that_it_had_and_that_may_do_harm_twice_fail()
    {
        await using var workers = await StartAsync("w1", "w2");
        await using var may = new BalancedCalls(network.Callers, "echo", Callers, HttpMethod.Get);
        await using var mayNot = new BalancedCalls(network.Callers, "slow", Callers);
        workers.Send(may, mayNot);
        await may.AnswersAsync(100);
        await mayNot.AnswersAsync(20);
        await workers["w1"].KillAsync();
        await may.AnswersAsync(200);
        await mayNot.AnswersAsync(40);
        await Retry.UntilAsync("its lease ends", async () => await _cluster.NodesAsync() is "gateway alive, w1 dead, w2 alive");
        await may.DisposeAsync();
        await mayNot.DisposeAsync();
        may.RequireNoFailures();
        Assert.InRange(mayNot.Failures.Count, 0, Callers);
        Assert.All(mayNot.Failures, static failure =>
        {
            Assert.StartsWith("502 ", failure, StringComparison.Ordinal);
            Assert.Contains("w1", failure, StringComparison.Ordinal);
        });
    }

    // In each direction, and in both: three workers that are cut off at once, and one that is not.
    [Fact]
    public async Task Workers_are_cut_off_from_their_gateway_and_calls_go_on_elsewhere_until_they_are_back()
    {
        string[] cut = ["w1", "w2", "w3"];
        await using var workers = await StartAsync([.. cut, "w4"]);
        // Warm everywhere, so that calls go to all of them.
        await workers.Gateway.DeployPythonAsync("echo", Echo, top: "min-instances = 1");
        await using var calls = new BalancedCalls(network.Callers, "echo", Callers, HttpMethod.Get);
        workers.Send(calls);
        await calls.AnswersAsync(50);
        var gateway = workers.Machine("gateway");
        await MachineNetwork.CutAsync(gateway, workers.Machine("w1"));
        await MachineNetwork.CutAsync(workers.Machine("w2"), gateway);
        await MachineNetwork.CutBothAsync(workers.Machine("w3"), gateway);
        foreach (var name in cut) await IsUpAsync(workers.Gateway, name, "0");
        await calls.AnswersAsync(200);
        foreach (var name in cut) await network.HealAsync(workers.Machine(name));
        await Retry.UntilAsync("they are alive again", async () => await _cluster.NodesAsync() is "gateway alive, w1 alive, w2 alive, w3 alive, w4 alive", Patience);
        foreach (var name in cut) await IsUpAsync(workers.Gateway, name, "1");
        // With the other one gone every call runs on those that are back.
        workers["w4"].Signal(15);
        Assert.Equal(0, await workers["w4"].ExitAsync());
        await calls.AnswersAsync(50);
        await calls.DisposeAsync();
        calls.RequireNoFailures();
    }

    [Fact]
    public async Task A_frozen_worker_keeps_no_call_for_long()
    {
        await using var workers = await StartAsync("w1", "w2");
        await using var calls = new BalancedCalls(network.Callers, "echo", Callers, HttpMethod.Get);
        workers.Send(calls);
        await calls.AnswersAsync(50);
        workers["w1"].Signal(SigStop);
        try
        {
            await Retry.UntilAsync("its lease ends", async () => await _cluster.NodesAsync() is "gateway alive, w1 dead, w2 alive");
            await calls.AnswersAsync(200);
        }
        finally
        {
            workers["w1"].Signal(SigCont);
        }
        await Retry.UntilAsync("it is alive again", async () => await _cluster.NodesAsync() is "gateway alive, w1 alive, w2 alive", Patience);
        await calls.AnswersAsync(50);
        await calls.DisposeAsync();
        calls.RequireNoFailures();
    }

    [Fact]
    public async Task A_gateway_without_PostgreSQL_goes_on_calling_its_workers_and_so_does_the_other()
    {
        await using var workers = await StartAsync();
        var lost = await network.AddAsync();
        await using var other = await _cluster.StartAsync(lost, "lost", new DaemonSetup { Flags = ["--worker=false"] });
        // It reports to the gateway that is going to be alone.
        await workers.StartWorkerAsync("w1", lost, workers.Machine("gateway"));
        await using var calls = new BalancedCalls(network.Callers, "echo", Callers);
        // The other one learns of it from the store, a moment later.
        foreach (var gateway in (StintDaemon[])[other, workers.Gateway]) await Retry.UntilAsync("it knows the worker", async () => await gateway.CallAsync("echo", "x") is (200, "x"));
        calls.Add(lost, other);
        workers.Send(calls);
        await calls.AnswersAsync(50);
        await MachineNetwork.CutBothAsync(lost, network.Database);
        await Retry.UntilAsync("its lease ends", async () => (await _cluster.NodesAsync()).Contains("lost dead", StringComparison.Ordinal));
        await calls.AnswersAsync(100);
        Assert.Equal((200, "x"), await other.CallAsync("echo", "x"));
        Assert.Equal((200, "y"), await workers.Gateway.CallAsync("echo", "y"));
        await network.HealAsync(lost);
        await Retry.UntilAsync("all are alive", async () => await _cluster.NodesAsync() is "gateway alive, lost alive, w1 alive", Patience);
        await calls.AnswersAsync(50);
        await calls.DisposeAsync();
        calls.RequireNoFailures();
    }

    [Fact]
    public async Task All_workers_are_restarted_one_after_the_other_under_load_and_no_call_fails()
    {
        await using var workers = await StartAsync("w1", "w2");
        await using var may = new BalancedCalls(network.Callers, "echo", Callers, HttpMethod.Get);
        await using var mayNot = new BalancedCalls(network.Callers, "slow", Callers);
        workers.Send(may, mayNot);
        foreach (var name in (string[])["w1", "w2"])
        {
            await may.AnswersAsync(100);
            await mayNot.AnswersAsync(20);
            await workers.RestartAsync(name);
        }
        await may.AnswersAsync(100);
        await mayNot.AnswersAsync(20);
        await may.DisposeAsync();
        await mayNot.DisposeAsync();
        may.RequireNoFailures();
        mayNot.RequireNoFailures();
    }

    [Fact]
    public async Task Workers_whose_clocks_are_an_hour_off_join_stay_and_run_calls()
    {
        await using var workers = await StartAsync();
        await workers.StartWorkerAsync("w1", Clock.Off("+3600s"));
        await workers.StartWorkerAsync("w2", Clock.Off("-3600s"));
        var since = await _cluster.ServerSecondsAsync();
        Assert.Equal((200, "x"), await workers.Gateway.CallAsync("echo", "x"));
        await Retry.UntilAsync("two leases have passed", async () => await _cluster.ServerSecondsAsync() - since > 10);
        await Retry.UntilAsync("they are alive", async () => await _cluster.NodesAsync() is "gateway alive, w1 alive, w2 alive");
        await workers.Gateway.DeployPythonAsync("echo", "def fn(input): return input * 2\n");
        Assert.Equal((200, "xx"), await workers.Gateway.CallAsync("echo", "x"));
        // Both have their part: of those that are warm either is taken.
        await workers.Gateway.DeployPythonAsync("echo", Echo, top: "min-instances = 1");
        foreach (var name in (string[])["w1", "w2"])
        {
            await Retry.UntilAsync($"{name} runs calls", async () =>
            {
                Assert.Equal((200, "z"), await workers.Gateway.CallAsync("echo", "z"));
                return (await workers[name].Management.GetStringAsync("metrics")).Contains("stint_requests_total{function=\"echo\",code=\"200\"}", StringComparison.Ordinal);
            });
        }
    }

    private static TimeSpan Patience => TimeSpan.FromMinutes(3);

    /// <summary>Waits until the gateway says that a worker can be called, or cannot.</summary>
    private static Task IsUpAsync(StintDaemon gateway, string name, string value) =>
        Retry.UntilAsync($"{name} is up: {value}", async () => (await gateway.Management.GetStringAsync("metrics")).Contains($"stint_node_up{{node=\"{name}\"}} {value}\n", StringComparison.Ordinal), Patience);

    /// <summary>A gateway that runs nothing itself, workers, and two functions.</summary>
    private async Task<WorkingCluster> StartAsync(params string[] names)
    {
        await _cluster.PrepareAsync();
        var workers = await WorkingCluster.StartAsync(network, _cluster);
        try
        {
            foreach (var name in names) await workers.StartWorkerAsync(name);
            await workers.Gateway.DeployPythonAsync("echo", Echo);
            await workers.Gateway.DeployPythonAsync("slow", "import time\ndef fn(input):\n    time.sleep(0.05)\n    return input\n");
            return workers;
        }
        catch
        {
            await workers.DisposeAsync();
            throw;
        }
    }
}
