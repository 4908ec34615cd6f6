using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wasm;

/// <summary>What a guest may take, and that only its own call is lost when it takes more.</summary>
public sealed class LimitsTests(WasmDaemon shared) : IClassFixture<WasmDaemon>
{
    private const string Loops = WasmDaemon.FunLess + """
        (func (export "__invoke") (param $n i32) (result i32)
          (call $get (i32.const 0))
          (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 76)) (then (loop $for_ever (br $for_ever))))
          (call $respond (i32.const 0) (local.get $n)) (i32.const 0))
        """;

    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task A_loop_is_504_after_the_timeout_and_everybody_else_is_served()
    {
        // As many loops as there may be runners: the others' calls wait for one to be killed, and are not lost.
        await shared.DeployWatAsync("loops", Loops, top: "timeout = 3\nmax-instances = 8");
        var loops = Enumerable.Range(0, 4).Select(_ => Daemon.CallAsync("loops", "L")).ToList();
        var others = Enumerable.Range(0, 40).Select(i => Daemon.CallAsync("echo", $"{i}")).ToList();
        foreach (var (status, text) in await Task.WhenAll(loops))
        {
            Assert.Equal(504, status);
            Assert.Contains("3 s", text, StringComparison.Ordinal);
        }
        Assert.Equal(Enumerable.Range(0, 40).Select(static i => (200, $"{i}")), await Task.WhenAll(others));
        Assert.Equal((200, "after"), await Daemon.CallAsync("loops", "after"));
        await Retry.UntilAsync("there are runners again", () => shared.RunnerProcesses().Count >= WasmDaemon.Runners);
    }

    [Fact]
    public async Task A_caller_who_leaves_a_loop_frees_its_runner()
    {
        await shared.DeployWatAsync("left", Loops, top: "max-instances = 8");
        using var leave = new CancellationTokenSource();
        var calls = Enumerable.Range(0, 4).Select(_ => Daemon.Http.PostAsync("left", new StringContent("L"), leave.Token)).ToList();
        await Retry.UntilAsync("the loops run", async () => (await Daemon.DescribeAsync("left")).GetProperty("instances").GetProperty("busy").GetInt32() == 4);
        await leave.CancelAsync();
        foreach (var call in calls) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        Assert.Equal((200, "1"), await Daemon.CallAsync("echo", "1"));
    }

    [Fact]
    public async Task A_guest_that_ends_its_runner_is_502_and_the_next_call_has_another()
    {
        // Tables of references live in V8's own heap, whose end is the end of the process.
        await shared.DeployWatAsync("heap", $"""
            {WasmDaemon.FunLess}
            (table $t 0 externref) (table $u 0 externref) (table $v 0 externref) (table $w 0 externref) (table $x 0 externref) (table $y 0 externref) (table $z 0 externref)
            (func (export "__invoke") (param $n i32) (result i32)
              (call $get (i32.const 0))
              (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 76)) (then
                (drop (table.grow $t (ref.null extern) (i32.const 9999999))) (drop (table.grow $u (ref.null extern) (i32.const 9999999))) (drop (table.grow $v (ref.null extern) (i32.const 9999999)))
                (drop (table.grow $w (ref.null extern) (i32.const 9999999))) (drop (table.grow $x (ref.null extern) (i32.const 9999999))) (drop (table.grow $y (ref.null extern) (i32.const 9999999)))
                (drop (table.grow $z (ref.null extern) (i32.const 9999999)))))
              (call $respond (i32.const 0) (local.get $n)) (i32.const 0))
            """);
        var (status, text) = await Daemon.CallAsync("heap", "L");
        Assert.True(status == 502, $"{status} {text}");
        Assert.Contains("runner", text, StringComparison.Ordinal); // V8 gives up, or the control group's limit is reached: which is a matter of sizes
        Assert.Equal((200, "alive"), await Daemon.CallAsync("heap", "alive"));
        Assert.Equal((200, "1"), await Daemon.CallAsync("echo", "1"));
    }

    [Fact]
    public async Task A_runner_that_is_killed_is_replaced()
    {
        Assert.Equal((200, "1"), await Daemon.CallAsync("echo", "1"));
        foreach (var runner in shared.RunnerProcesses()) _ = Backends.Processes.Spawning.Posix.kill(runner, Backends.Processes.Spawning.Posix.SigKill);
        for (var i = 0; i < 8; i++)
        {
            // A call that had been handed to one that was already dying may be lost with it, and says so.
            var (status, _) = await Daemon.CallAsync("echo", "1");
            Assert.True(status is 200 or 502, $"{status}");
        }
        Assert.Equal((200, "2"), await Daemon.CallAsync("echo", "2"));
        await Retry.UntilAsync("there are runners again", () => shared.RunnerProcesses().Count >= WasmDaemon.Runners);
    }

    [Fact]
    public async Task A_function_that_nobody_calls_has_no_process_and_one_of_its_own_only_if_it_asks()
    {
        var module = await WasmDaemon.WatAsync(WasmDaemon.Echo);
        for (var i = 0; i < 20; i++) await shared.DeployAsync($"idle{i}", module, top: "min-instances = 1");
        await Retry.UntilAsync("only the shared runners are there", () => shared.RunnerProcesses().Count <= 4);
        var before = shared.RunnerProcesses();
        await shared.DeployAsync("own", module, "isolation = \"process\"", "min-instances = 1\nmax-instances = 1");
        Assert.Equal((200, "x"), await Daemon.CallAsync("own", "x"));
        await Retry.UntilAsync("it has one", () => shared.RunnerProcesses().Except(before).Any());
        await Daemon.Management.DeleteAsync("stint/v1/functions/own");
        await Retry.UntilAsync("that is gone with it", () => shared.RunnerProcesses().Count <= 4);
    }

    [Fact]
    public async Task More_memory_than_a_shared_runner_has_is_refused_with_what_to_do()
    {
        var message = await shared.RefusalAsync(await WasmDaemon.WatAsync(WasmDaemon.Echo), "memory = 1024");
        Assert.Contains("isolation = \"process\", or give runners more: wasm-memory = 1232", message, StringComparison.Ordinal);
        await shared.DeployAsync("huge", await WasmDaemon.WatAsync(WasmDaemon.Echo), "memory = 1024\nisolation = \"process\"", "keepalive = 0");
        Assert.Equal((200, "1"), await Daemon.CallAsync("huge", "1"));
    }
}
