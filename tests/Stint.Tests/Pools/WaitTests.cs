using Stint.Invocations;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>Calls that may be tried on another machine: what they wait for here, and when they begin.</summary>
public sealed class WaitTests
{
    [Fact]
    public async Task A_call_that_may_not_wait_takes_a_free_instance_or_goes()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        var reply = await InvokeAsync(pool, "a", CallWait.Never);
        Assert.Equal((Outcome.Shed, true), (reply.Outcome, reply.IsOverload));
        Assert.Empty(bench.Backend.Starts);
        var first = pool.Invoke("b");
        bench.Backend.Running("b").Answer();
        await first;
        var second = InvokeAsync(pool, "c", CallWait.Never);
        bench.Backend.Running("c").Answer();
        Assert.Equal(Outcome.Answered, (await second).Outcome);
        // What goes elsewhere was not shed.
        Assert.Equal((0, 2), (pool.Counters.Requests(Outcome.Shed), pool.Counters.Requests(Outcome.Answered)));
    }

    [Fact]
    public async Task A_call_that_waits_for_a_start_does_not_wait_for_another_call()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1, ConcurrentRequests = 2 });
        var first = InvokeAsync(pool, "a", CallWait.ForStart);
        var second = InvokeAsync(pool, "b", CallWait.ForStart);
        Assert.Single(bench.Backend.Starts);
        // The one instance that may be has two places.
        Assert.Equal(Outcome.Shed, (await InvokeAsync(pool, "c", CallWait.ForStart)).Outcome);
        Assert.Equal(2, pool.QueueLength);
        bench.Backend.Starts[0].Succeed();
        Assert.Equal("a b", bench.Backend.RunningIds);
        Assert.Equal(Outcome.Shed, (await InvokeAsync(pool, "d", CallWait.ForStart)).Outcome);
        // One that may, does.
        var waiting = InvokeAsync(pool, "e", CallWait.InQueue);
        bench.Backend.Running("a").Answer();
        Assert.Equal("b e", bench.Backend.RunningIds);
        bench.Backend.Running("b").Answer();
        bench.Backend.Running("e").Answer();
        Assert.All(await Task.WhenAll(first, second, waiting), static reply => Assert.Equal(Outcome.Answered, reply.Outcome));
        Assert.Equal(0, pool.QueueLength);
    }

    [Fact]
    public async Task A_host_without_room_says_so_at_once_and_nobody_makes_room_for_a_call_that_has_gone()
    {
        await using var bench = new PoolBench(memoryMiB: 100);
        var (busy, other) = (bench.Open(PoolBench.Spec), bench.Open(PoolBench.Spec, "g"));
        var holding = busy.Invoke("a");
        Assert.Equal(Outcome.Shed, (await InvokeAsync(other, "b", CallWait.ForStart)).Outcome);
        Assert.False(bench.Budget.IsContended);
        Assert.Single(bench.Backend.Starts);
        // One that may wait does, and gets the room when it comes free.
        var waiting = InvokeAsync(other, "c", CallWait.InQueue);
        Assert.True(bench.Budget.IsContended);
        bench.Backend.Running("a").Answer();
        await holding;
        bench.Backend.Running("c").Answer();
        Assert.Equal(Outcome.Answered, (await waiting).Outcome);
    }

    [Fact]
    public async Task Who_asked_is_told_that_the_call_begins_and_only_then_it_runs()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec);
        var (asked, given) = (new TaskCompletionSource(), new TaskCompletionSource());
        var reply = pool.InvokeAsync(new Invocation
        {
            Function = PoolBench.Name("f"), CallId = "a", Starting = async _ =>
            {
                asked.SetResult();
                await given.Task;
            },
        }).AsTask();
        Assert.False(asked.Task.IsCompleted);
        bench.Backend.Starts[0].Succeed();
        await asked.Task;
        Assert.Equal("", bench.Backend.RunningIds);
        given.SetResult();
        bench.Backend.Running("a").Answer();
        Assert.Equal(Outcome.Answered, (await reply).Outcome);
    }

    [Fact]
    public async Task A_call_whose_sender_is_gone_when_it_begins_does_not_run_and_its_instance_is_free()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        using var reply = await pool.InvokeAsync(new Invocation { Function = PoolBench.Name("f"), CallId = "a", Starting = static _ => throw new IOException("the connection was reset") });
        Assert.Equal(Outcome.Cancelled, reply.Outcome);
        Assert.Equal(0, Assert.Single(bench.Backend.Instances).Served);
        Assert.Equal(1, pool.Count(InstanceState.Idle));
        // A sender that says nothing for longer than the function may take is gone, too.
        var silent = pool.InvokeAsync(new Invocation
        {
            Function = PoolBench.Name("f"), CallId = "b", Starting = static token => new ValueTask(Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token)),
        }).AsTask();
        bench.Time.Advance(PoolBench.Spec.Timeout + TimeSpan.FromSeconds(1));
        Assert.Equal(Outcome.TimedOut, (await silent).Outcome);
        Assert.Equal(0, bench.Backend.Instances.Sum(static instance => instance.Served));
        Assert.Equal(1, pool.Count(InstanceState.Idle));
    }

    [Fact]
    public async Task What_calls_take_as_a_rule_is_without_their_wait()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        Assert.Null(pool.TypicalRun);
        var (first, second) = (pool.Invoke("a"), pool.Invoke("b"));
        bench.Time.Advance(TimeSpan.FromSeconds(1));
        bench.Backend.Running("a").Answer();
        Assert.Equal(TimeSpan.FromSeconds(1), pool.TypicalRun);
        bench.Time.Advance(TimeSpan.FromMilliseconds(200));
        bench.Backend.Running("b").Answer();
        Assert.Equal(TimeSpan.FromMilliseconds(900), pool.TypicalRun);
        await Task.WhenAll(first, second);
    }

    private static Task<Reply> InvokeAsync(FunctionPool pool, string id, CallWait wait)
    {
        var call = PoolBench.Call(id);
        call.Wait = wait;
        return pool.InvokeAsync(call).AsTask();
    }
}
