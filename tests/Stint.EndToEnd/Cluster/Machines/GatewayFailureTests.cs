using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.EndToEnd.Dialects;
using Stint.EndToEnd.Fixtures;
using Stint.Invocations;

namespace Stint.EndToEnd.Cluster.Machines;

/// <summary>Gateways on machines of their own: what gets lost between them and PostgreSQL, clocks that differ, and machines that are upgraded one after the other. The table in docs/cluster.md.</summary>
[Collection(MachineNetwork.Collection)]
public sealed class GatewayFailureTests(MachineNetwork network) : IDisposable
{
    private const int SigCont = 18, SigStop = 19;

    private readonly MachineCluster _cluster = new(network);

    public void Dispose() => _cluster.Dispose();

    // In each direction, and in both: three gateways that have lost PostgreSQL at once, and one that has not.
    [Fact]
    public async Task Gateways_that_cannot_reach_PostgreSQL_answer_calls_refuse_changes_and_catch_up()
    {
        await _cluster.PrepareAsync();
        Machine[] far = [await network.AddAsync(), await network.AddAsync(), await network.AddAsync()];
        await using var near = await _cluster.StartAsync(await network.AddAsync(), "near");
        await using var towards = await _cluster.StartAsync(far[0], "far0");
        await using var back = await _cluster.StartAsync(far[1], "far1");
        await using var both = await _cluster.StartAsync(far[2], "far2");
        StintDaemon[] lost = [towards, back, both];
        await towards.DeployPythonAsync("echo", Answer("first"));
        foreach (var gateway in (StintDaemon[])[near, .. lost]) await Retry.UntilAsync("all serve it", async () => await gateway.CallAsync("echo") is (200, "first"));

        await MachineNetwork.CutAsync(far[0], network.Database);
        await MachineNetwork.CutAsync(network.Database, far[1]);
        await MachineNetwork.CutBothAsync(far[2], network.Database);
        await Retry.UntilAsync("their leases end", async () => await _cluster.NodesAsync() is "far0 dead, far1 dead, far2 dead, near alive");
        await Task.WhenAll(lost.Select(static async gateway =>
        {
            Assert.Equal((200, "first"), await gateway.CallAsync("echo"));
            var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => gateway.DeployPythonAsync("echo", Answer("of a lost one")));
            Assert.Contains("the store", refused.Message, StringComparison.Ordinal);
            Assert.Equal(503, (await gateway.ManageAsync("delete", """{"name":"echo"}""")).Status);
        }));

        // What the lost ones have begun, and cannot end, keeps the other for a while at most.
        await MachineCluster.DeployUntilDoneAsync(near, "echo", Answer("second"));
        Assert.Equal((200, "second"), await near.CallAsync("echo"));
        foreach (var gateway in lost) Assert.Equal(200, (await gateway.CallAsync("echo")).Status);

        foreach (var machine in far) await network.HealAsync(machine);
        foreach (var gateway in lost) await Retry.UntilAsync("it has caught up", async () => await gateway.CallAsync("echo") is (200, "second"), Patience);
        await Retry.UntilAsync("they are alive again", async () => await _cluster.NodesAsync() is "far0 alive, far1 alive, far2 alive, near alive", Patience);
        foreach (var gateway in lost)
        {
            await MachineCluster.DeployUntilDoneAsync(gateway, "echo", Answer($"of {gateway.State}"));
            await Retry.UntilAsync("the other has it", async () => await near.CallAsync("echo") is (200, var text) && text == $"of {gateway.State}");
        }
    }

    [Fact]
    public async Task A_frozen_gateway_counts_as_dead_and_the_others_go_on()
    {
        await _cluster.PrepareAsync();
        await using var one = await _cluster.StartAsync(await network.AddAsync(), "one");
        await using var two = await _cluster.StartAsync(await network.AddAsync(), "two");
        await one.DeployPythonAsync("echo", Answer("first"));
        one.Signal(SigStop);
        try
        {
            await Retry.UntilAsync("its lease ends", async () => await _cluster.NodesAsync() is "one dead, two alive");
            await MachineCluster.DeployUntilDoneAsync(two, "echo", Answer("second"));
            Assert.Equal((200, "second"), await two.CallAsync("echo"));
        }
        finally
        {
            one.Signal(SigCont);
        }
        await Retry.UntilAsync("it has caught up", async () => await one.CallAsync("echo") is (200, "second"), Patience);
        await Retry.UntilAsync("it is alive again", async () => await _cluster.NodesAsync() is "one alive, two alive", Patience);
    }

    // As a gateway that freezes between the first and the last statement of a change: it holds the row that all changes go through.
    [Fact]
    public async Task A_change_that_is_begun_and_never_ended_keeps_the_others_for_a_while_only()
    {
        await _cluster.PrepareAsync();
        await using var two = await _cluster.StartAsync(await network.AddAsync(), "two");
        await two.DeployPythonAsync("echo", Answer("first"));
        await using var frozen = new ClusterStore(StoreAddress.Parse(_cluster.Local));
        var holds = new TaskCompletionSource();
        using var thaw = new CancellationTokenSource();
        var change = frozen.ChangeAsync(async (connection, _) =>
        {
            holds.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, thaw.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
            return await connection.ExecuteAsync("select 1", [], default);
        }, default);
        await holds.Task;
        await two.DeployPythonAsync("echo", Answer("second"));
        Assert.Equal((200, "second"), await two.CallAsync("echo"));
        await thaw.CancelAsync();
        await Assert.ThrowsAsync<StoreException>(() => change);
    }

    [Fact]
    public async Task Gateways_whose_clocks_are_an_hour_off_are_gateways_like_the_others()
    {
        await _cluster.PrepareAsync();
        await using var one = await _cluster.StartAsync(await network.AddAsync(), "one", Clock.Off("+3600s"));
        await using var two = await _cluster.StartAsync(await network.AddAsync(), "two", Clock.Off("-3600s"));
        Assert.Equal(2, Math.Round((await Clock.OfAsync(one) - await Clock.OfAsync(two)).TotalHours));

        StintDaemon[] gateways = [one, two];
        for (var round = 0; round < 4; round++)
        {
            var (from, to) = (gateways[round % 2], gateways[(round + 1) % 2]);
            await from.DeployPythonAsync("echo", Answer($"{round}"));
            await Retry.UntilAsync("the other serves it too", async () => await to.CallAsync("echo") is (200, var text) && text == $"{round}");
        }
        using var clientOfOne = new FaasClient(one.ManagementPort);
        using var clientOfTwo = new FaasClient(two.ManagementPort);
        Assert.Equal(201, (await clientOfOne.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"sesame"}""")).Status);
        await Retry.UntilAsync("the other has the secret", async () => (await clientOfTwo.SendAsync("GET", "system/secrets")).Body.Contains("api-key", StringComparison.Ordinal));
        Assert.Equal(409, (await clientOfTwo.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"other"}""")).Status);

        // A lease later both are alive, and neither has been taken for somebody else.
        var since = await _cluster.ServerSecondsAsync();
        await Retry.UntilAsync("a lease has passed", async () => await _cluster.ServerSecondsAsync() - since > NodeMembership.Lease.TotalSeconds);
        await Retry.UntilAsync("both are alive", async () => await _cluster.NodesAsync() is "one alive, two alive");
        (await two.CliAsync("rm", "echo")).Good();
        await Retry.UntilAsync("it is gone from the other", async () => (await one.CallAsync("echo")).Status == 404);
    }

    [Fact]
    public async Task All_gateways_are_restarted_one_after_the_other_under_load_and_no_call_fails()
    {
        await _cluster.PrepareAsync();
        var running = new List<(Machine Machine, StintDaemon Daemon, string Root)>();
        await using var calls = new BalancedCalls(network.Callers, "same", callers: 4);
        try
        {
            for (var number = 0; number < 3; number++) running.Add(await StartAsync(await network.AddAsync(), number));
            await running[0].Daemon.DeployPythonAsync("same", "def fn(input): return input\n");
            foreach (var (machine, daemon, _) in running)
            {
                await Retry.UntilAsync("it serves the function", async () => await daemon.CallAsync("same", "x") is (200, "x"));
                calls.Add(machine, daemon);
            }
            await calls.AnswersAsync(100);
            for (var number = 0; number < running.Count; number++)
            {
                var (machine, daemon, root) = running[number];
                daemon.Signal(15);
                Assert.Equal(0, await daemon.ExitAsync());
                await calls.RemoveAsync(daemon);
                running.RemoveAt(number);
                await daemon.DisposeAsync();
                await calls.AnswersAsync(100);
                running.Insert(number, await StartAsync(machine, number, root));
                calls.Add(machine, running[number].Daemon);
                await calls.AnswersAsync(100);
            }
        }
        finally
        {
            await calls.DisposeAsync();
            foreach (var (_, daemon, _) in running) await daemon.DisposeAsync();
        }
        calls.RequireNoFailures();

        async Task<(Machine Machine, StintDaemon Daemon, string Root)> StartAsync(Machine machine, int number, string? root = null)
        {
            root ??= _cluster.Folder($"root{number}");
            // Long enough for the load balancer to notice, on a machine that does many other things.
            return (machine, await _cluster.StartAsync(machine, $"node{number}", new DaemonSetup { Root = root, Flags = ["--leave-seconds", "4", "--drain-seconds", "60"] }), root);
        }
    }

    [Fact]
    public async Task PostgreSQL_restarts_in_the_middle_of_two_hundred_deployments_and_none_is_lost_or_half_done()
    {
        const int functions = 8, rounds = 25;
        await _cluster.PrepareAsync();
        await using var one = await _cluster.StartAsync(await network.AddAsync(), "one");
        await using var two = await _cluster.StartAsync(await network.AddAsync(), "two");
        StintDaemon[] gateways = [one, two];
        var (done, refused) = (0, 0);
        var deploying = Task.WhenAll(Enumerable.Range(0, functions).Select(async function =>
        {
            for (var round = 1; round <= rounds; round++)
            {
                // Refused with the reason, and done when it is said again: by then the function may have been deployed all the same.
                while (!await TryDeployAsync(gateways[(function + round) % 2], $"f{function}", Answer($"{round}"))) Interlocked.Increment(ref refused);
                Interlocked.Increment(ref done);
            }
        }));
        // Three times, each in the middle of what is under way.
        for (var restart = 1; restart <= 3; restart++)
        {
            var until = restart * functions * rounds / 4;
            await Retry.UntilAsync("some are done", () => deploying.IsCompleted || Volatile.Read(ref done) >= until, Patience);
            await network.Postgres.StopAsync();
            await network.Postgres.StartAsync();
        }
        await deploying;
        Assert.Equal(functions * rounds, done);
        // Otherwise nothing was in the middle of anything.
        Assert.NotEqual(0, refused);

        await using var store = new ClusterStore(StoreAddress.Parse(_cluster.Local));
        for (var function = 0; function < functions; function++)
        {
            Assert.True(FunctionName.TryParse($"f{function}", out var name));
            var stored = (await store.Functions.FindAsync(name, default))!;
            // One version for each that was done, and at most one more for each that was refused at the very commit.
            Assert.InRange(stored.Version, rounds, rounds + refused);
            var target = Path.Combine(_cluster.Folder("served"), $"f{function}");
            await store.Functions.DownloadAsync(stored.Hash!, target, default);
            Assert.Equal(Answer($"{rounds}"), await File.ReadAllTextAsync(Path.Combine(target, "code", "fn.py")));
            foreach (var gateway in gateways) await Retry.UntilAsync("all gateways serve the last", async () => await gateway.CallAsync($"f{function}") is (200, var text) && text == $"{rounds}");
        }

        static async Task<bool> TryDeployAsync(StintDaemon gateway, string name, string code)
        {
            try
            {
                await gateway.DeployPythonAsync(name, code);
                return true;
            }
            catch (InvalidOperationException refused) when (refused.Message.Contains("the store", StringComparison.Ordinal))
            {
                return false;
            }
        }
    }

    private static TimeSpan Patience => TimeSpan.FromMinutes(3);

    private static string Answer(string text) => $"def fn(input): return '{text}'\n";
}
