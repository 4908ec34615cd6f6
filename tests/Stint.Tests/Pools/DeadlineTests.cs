using Stint.Invocations;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>The function's limit, the caller's limit, the caller's leaving, and instances that do not let go.</summary>
public sealed class DeadlineTests
{
    [Fact]
    public async Task A_call_past_the_functions_timeout_is_answered_at_once_and_its_slot_is_free_when_the_instance_lets_go()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { Timeout = TimeSpan.FromSeconds(3), MaxInstances = 1 });
        var reply = pool.Invoke("a");
        var waiting = pool.Invoke("b");
        var call = bench.Backend.Running("a");
        bench.Time.Advance(2999);
        Assert.False(reply.IsCompleted);
        bench.Time.Advance(1);
        Assert.Equal(Outcome.TimedOut, (await reply).Outcome);
        Assert.Equal("f did not answer within 3 s; timeout in function.toml allows more", (await reply).Error);
        Assert.NotNull((await reply).Completion);
        Assert.Equal("a", bench.Backend.RunningIds);
        call.Answer();
        Assert.Equal("b", bench.Backend.RunningIds);
        Assert.Same(call.Instance, bench.Backend.Running("b").Instance);
        bench.Backend.Running("b").Answer();
        Assert.Equal(Outcome.Answered, (await waiting).Outcome);
    }

    [Fact]
    public async Task An_instance_that_does_not_let_go_within_the_grace_period_is_killed_and_replaced()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { Timeout = TimeSpan.FromSeconds(3), MaxInstances = 1, QueueTimeout = TimeSpan.FromSeconds(30) });
        _ = pool.Invoke("a");
        _ = pool.Invoke("b");
        var stuck = bench.Backend.Running("a").Instance;
        bench.Time.Advance(4999);
        Assert.False(stuck.IsDisposed);
        bench.Time.Advance(1);
        Assert.True(stuck.IsDisposed);
        Assert.Equal("b", bench.Backend.RunningIds);
        Assert.Equal(1, pool.Counters.Replaced);
    }

    [Fact]
    public async Task The_callers_own_limit_counts_when_it_is_shorter()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        var reply = pool.Invoke("a", timeout: TimeSpan.FromSeconds(2));
        bench.Time.Advance(2000);
        Assert.Equal(Outcome.TimedOut, (await reply).Outcome);
        Assert.Equal("f did not answer within the caller's own limit", (await reply).Error);
    }

    [Fact]
    public async Task The_callers_own_limit_includes_its_wait()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec);
        var reply = pool.Invoke("a", timeout: TimeSpan.FromSeconds(3));
        bench.Time.Advance(2000);
        bench.Backend.Starts[0].Succeed();
        bench.Time.Advance(999);
        Assert.False(reply.IsCompleted);
        bench.Time.Advance(1);
        Assert.Equal(Outcome.TimedOut, (await reply).Outcome);
    }

    [Fact]
    public async Task A_waiting_call_whose_caller_has_no_more_time_never_runs()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        _ = pool.Invoke("a");
        var reply = pool.Invoke("b", timeout: TimeSpan.FromSeconds(1));
        bench.Time.Advance(1000);
        Assert.Equal(Outcome.TimedOut, (await reply).Outcome);
        bench.Backend.Running("a").Answer();
        Assert.Empty(bench.Backend.RunningCalls);
    }

    [Fact]
    public async Task A_call_whose_caller_has_no_time_at_all_starts_nothing()
    {
        await using var bench = new PoolBench();
        var reply = await bench.Open(PoolBench.Spec).Invoke("a", timeout: TimeSpan.Zero);
        Assert.Equal(Outcome.TimedOut, reply.Outcome);
        Assert.Equal("the caller's own limit left f no time; it did not run", reply.Error);
        Assert.Empty(bench.Backend.Instances);
    }

    [Fact]
    public async Task A_waiting_call_whose_caller_left_never_runs()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        _ = pool.Invoke("a");
        using var caller = new CancellationTokenSource();
        var gone = pool.Invoke("b", gone: caller.Token);
        _ = pool.Invoke("c");
        caller.Cancel();
        Assert.Equal(Outcome.Cancelled, (await gone).Outcome);
        bench.Backend.Running("a").Answer();
        Assert.Equal("c", bench.Backend.RunningIds);
    }

    [Fact]
    public async Task A_running_call_whose_caller_left_is_cancelled()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        using var caller = new CancellationTokenSource();
        var reply = pool.Invoke("a", gone: caller.Token);
        var call = bench.Backend.Running("a");
        caller.Cancel();
        Assert.True(call.IsCancelled);
        Assert.Equal(Outcome.Cancelled, (await reply).Outcome);
        call.Answer();
        Assert.Equal(1, pool.Count(InstanceState.Idle));
    }

    [Fact]
    public async Task A_call_whose_caller_has_left_already_starts_nothing()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        Assert.Equal(Outcome.Cancelled, (await pool.Invoke("a", gone: new CancellationToken(true))).Outcome);
        Assert.Empty(bench.Backend.Starts);
    }

    [Fact]
    public async Task A_streamed_answer_holds_its_slot_until_it_ends()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        var reply = pool.Invoke("a");
        _ = pool.Invoke("b");
        var call = bench.Backend.Running("a");
        call.BeginStream();
        Assert.Equal(Outcome.Answered, (await reply).Outcome);
        Assert.Equal("a", bench.Backend.RunningIds);
        call.Answer();
        Assert.Equal("b", bench.Backend.RunningIds);
    }

    [Fact]
    public async Task The_deadline_applies_to_a_streamed_answer_too()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { Timeout = TimeSpan.FromSeconds(3) });
        _ = pool.Invoke("a");
        var call = bench.Backend.Running("a");
        call.BeginStream();
        bench.Time.Advance(3000);
        Assert.True(call.IsCancelled);
        bench.Time.Advance(2000);
        Assert.True(call.Instance.IsDisposed);
    }

    [Fact]
    public async Task The_callers_leaving_ends_a_streamed_answer()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        using var caller = new CancellationTokenSource();
        _ = pool.Invoke("a", gone: caller.Token);
        var call = bench.Backend.Running("a");
        call.BeginStream();
        caller.Cancel();
        Assert.True(call.IsCancelled);
        call.Answer();
        Assert.False(call.Instance.IsDisposed);
    }
}
