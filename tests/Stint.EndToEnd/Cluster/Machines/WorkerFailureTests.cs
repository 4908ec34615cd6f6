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
        Assert.Empty(may.Failures);
        Assert.InRange(mayNot.Failures.Count, 0, Callers);
        Assert.All(mayNot.Failures, static failure =>
        {
            Assert.StartsWith("502 ", failure, StringComparison.Ordinal);
            Assert.Contains("w1", failure, StringComparison.Ordinal);
        });
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task A_worker_is_cut_off_from_its_gateway_and_calls_go_on_elsewhere_until_it_is_back(bool isCutTowards, bool isCutBack)
    {
        await using var workers = await StartAsync("w1", "w2");
        await using var calls = new BalancedCalls(network.Callers, "echo", Callers, HttpMethod.Get);
        workers.Send(calls);
        await calls.AnswersAsync(50);
        var (gateway, worker) = (workers.Machine("gateway"), workers.Machine("w1"));
        if (isCutTowards) await MachineNetwork.CutAsync(gateway, worker);
        if (isCutBack) await MachineNetwork.CutAsync(worker, gateway);
        await workers.Gateway.WaitForLogAsync("The worker w1 cannot be reached");
        await calls.AnswersAsync(200);
        await network.HealAsync(worker);
        await Retry.UntilAsync("it is alive again", async () => await _cluster.NodesAsync() is "gateway alive, w1 alive, w2 alive", Patience);
        await workers.Gateway.WaitForLogAsync("The worker w1 can be reached again");
        // With the other one gone every call runs on the one that is back.
        workers["w2"].Signal(15);
        Assert.Equal(0, await workers["w2"].ExitAsync());
        await calls.AnswersAsync(50);
        await calls.DisposeAsync();
        Assert.Empty(calls.Failures);
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
        Assert.Empty(calls.Failures);
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
        Assert.Empty(calls.Failures);
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
        Assert.Empty(may.Failures);
        Assert.Empty(mayNot.Failures);
    }

    [Theory]
    [InlineData("+3600s")]
    [InlineData("-3600s")]
    public async Task A_worker_whose_clock_is_an_hour_off_joins_stays_and_runs_calls(string skew)
    {
        await using var workers = await StartAsync();
        await workers.StartWorkerAsync("w1", Clock.Off(skew));
        var since = await _cluster.ServerSecondsAsync();
        Assert.Equal((200, "x"), await workers.Gateway.CallAsync("echo", "x"));
        await Retry.UntilAsync("two leases have passed", async () => await _cluster.ServerSecondsAsync() - since > 10);
        await Retry.UntilAsync("it is alive", async () => await _cluster.NodesAsync() is "gateway alive, w1 alive");
        await workers.Gateway.DeployPythonAsync("echo", "def fn(input): return input * 2\n");
        Assert.Equal((200, "xx"), await workers.Gateway.CallAsync("echo", "x"));
    }

    private static TimeSpan Patience => TimeSpan.FromMinutes(3);

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
