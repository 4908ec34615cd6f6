using Stint.Functions;
using Stint.Invocations;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>Starts that fail, instances that die, and functions that are left alone for a while.</summary>
public sealed class HealthTests
{
    [Fact]
    public async Task A_failed_start_answers_the_calls_that_depended_on_it_with_its_error()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec with { ConcurrentRequests = 2 });
        var replies = Enumerable.Range(0, 3).Select(i => pool.Invoke($"{i}")).ToArray();
        bench.Backend.Starts[0].Fail("fn.py has a syntax error");
        Assert.Equal([true, true, false], replies.Select(reply => reply.IsCompleted));
        Assert.Equal(Outcome.Unavailable, (await replies[0]).Outcome);
        Assert.Equal("an instance of f did not start: fn.py has a syntax error", (await replies[0]).Error);
        Assert.Equal(TimeSpan.FromSeconds(1), (await replies[0]).RetryAfter);
        bench.Backend.Starts[1].Succeed();
        Assert.Equal("2", bench.Backend.RunningIds);
    }

    [Fact]
    public async Task The_last_failed_start_answers_everybody()
    {
        await using var bench = new PoolBench();
        bench.Backend.FailsWith = "no";
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        var reply = await pool.Invoke("a");
        Assert.Equal(Outcome.Unavailable, reply.Outcome);
        Assert.Equal(1, pool.Counters.StartFailures);
        Assert.Equal((0, 0), (pool.QueueLength, bench.Budget.Used));
    }

    [Fact]
    public async Task A_start_that_takes_longer_than_boot_timeout_is_given_up()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec with { BootTimeout = TimeSpan.FromSeconds(2) });
        var reply = pool.Invoke("a");
        bench.Time.Advance(2000);
        Assert.Equal("an instance of f did not start: it was not ready within 2 s (boot-timeout)", (await reply).Error);
    }

    [Fact]
    public async Task Failures_back_off_from_one_second_to_a_minute()
    {
        await using var bench = new PoolBench();
        bench.Backend.FailsWith = "no";
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        List<double> starts = [];
        while (bench.Backend.Starts.Count < 10)
        {
            var before = bench.Backend.Starts.Count;
            var since = bench.Time.Elapsed;
            while (bench.Backend.Starts.Count == before) bench.Time.Advance(500);
            starts.Add((bench.Time.Elapsed - since).TotalSeconds);
        }
        Assert.Equal([1, 2, 4, 8, 16, 32, 60, 60, 60], starts);
    }

    [Fact]
    public async Task While_it_backs_off_a_call_waits_if_the_next_try_is_near_and_is_refused_if_it_is_far()
    {
        await using var bench = new PoolBench();
        bench.Backend.FailsWith = "no";
        var pool = bench.Open(PoolBench.Spec with { QueueTimeout = TimeSpan.FromSeconds(5) });
        await pool.Invoke("a");
        var near = pool.Invoke("b");
        Assert.False(near.IsCompleted);
        bench.Time.Advance(1000);
        Assert.Equal(Outcome.Unavailable, (await near).Outcome);
        for (var i = 0; i < 2; i++)
        {
            var next = pool.Invoke("c");
            bench.Time.Advance(4000);
            await next;
        }
        var started = bench.Backend.Starts.Count;
        var far = await pool.Invoke("d");
        Assert.Equal(Outcome.Unavailable, far.Outcome);
        Assert.Equal("f cannot run: no; the next try is in 6 s", far.Error);
        Assert.Equal(TimeSpan.FromSeconds(6), far.RetryAfter);
        Assert.Equal(started, bench.Backend.Starts.Count);
        var view = pool.Describe();
        Assert.Equal("no", view.Problem);
        Assert.Equal(bench.Time.GetUtcNow() + TimeSpan.FromSeconds(6), view.NextRetry!.Value, TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public async Task After_a_backoff_one_instance_tries_it_for_all()
    {
        await using var bench = new PoolBench();
        bench.Backend.FailsWith = "no";
        var pool = bench.Open(PoolBench.Spec);
        await pool.Invoke("a");
        (bench.Backend.FailsWith, bench.Backend.StartsAtOnce) = (null, false);
        for (var i = 0; i < 4; i++) _ = pool.Invoke($"{i}");
        bench.Time.Advance(1000);
        Assert.Single(bench.Backend.Booting);
        bench.Backend.Booting.Single().Succeed();
        Assert.Equal(3, bench.Backend.Booting.Count());
        Assert.Null(pool.Describe().Problem);
    }

    [Fact]
    public async Task A_call_whose_instance_died_gets_its_own_answer_and_the_waiting_ones_go_on_to_another()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        var victim = pool.Invoke("a");
        _ = pool.Invoke("b");
        bench.Backend.Running("a").Instance.Die("killed by the kernel: out of memory");
        Assert.Equal(Outcome.Crashed, (await victim).Outcome);
        Assert.Equal("b", bench.Backend.RunningIds);
        Assert.Equal(1, pool.Counters.Deaths);
    }

    [Fact]
    public async Task An_instance_that_breaks_its_contract_is_replaced()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        var reply = pool.Invoke("a");
        _ = pool.Invoke("b");
        var broken = bench.Backend.Running("a");
        broken.BreakContract();
        Assert.Equal(Outcome.ContractBroken, (await reply).Outcome);
        Assert.True(broken.Instance.IsDisposed);
        Assert.Equal("b", bench.Backend.RunningIds);
        Assert.Equal((1, 0), (pool.Counters.Replaced, pool.Counters.Deaths));
    }

    [Fact]
    public async Task A_function_that_dies_of_every_call_backs_off_although_it_boots()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1, QueueTimeout = TimeSpan.FromMilliseconds(1500) });
        for (var i = 0; i < 2; i++)
        {
            var reply = pool.Invoke("a");
            bench.Backend.Running("a").Instance.Die("segmentation fault");
            await reply;
        }
        var waits = pool.Invoke("b");
        Assert.Empty(bench.Backend.RunningCalls);
        bench.Time.Advance(1000);
        bench.Backend.Running("b").Instance.Die("segmentation fault");
        await waits;
        var refused = await pool.Invoke("c");
        Assert.Equal(Outcome.Unavailable, refused.Outcome);
        Assert.Contains("segmentation fault", refused.Error, StringComparison.Ordinal);
        bench.Time.Advance(2000);
        var good = pool.Invoke("d");
        bench.Backend.Running("d").Answer();
        Assert.Equal(Outcome.Answered, (await good).Outcome);
        Assert.Null(pool.Describe().Problem);
    }

    private static readonly FunctionSpec Probing = PoolBench.Spec with { MinInstances = 1, HealthInterval = TimeSpan.FromSeconds(30), HealthTimeout = TimeSpan.FromSeconds(5) };

    [Fact]
    public async Task An_idle_instance_is_probed_once_each_interval_after_its_last_use()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(Probing);
        var instance = bench.Backend.Alive.Single();
        bench.Time.Advance(29_900);
        Assert.Equal(0, instance.Probes);
        _ = pool.Invoke("a");
        bench.Backend.Running("a").Answer();
        bench.Time.Advance(29_900);
        Assert.Equal(0, instance.Probes);
        bench.Time.Advance(200);
        Assert.Equal(1, instance.Probes);
        bench.Time.Advance(TimeSpan.FromSeconds(300));
        Assert.Equal(11, instance.Probes);
        Assert.False(instance.IsDisposed);
        Assert.Equal(0, pool.Counters.Replaced);
    }

    [Fact]
    public async Task A_busy_instance_is_not_probed_and_zero_means_never()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(Probing with { Timeout = TimeSpan.FromHours(10) });
        _ = pool.Invoke("a");
        bench.Time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, bench.Backend.Alive.Single().Probes);
        bench.Open(Probing with { HealthInterval = TimeSpan.Zero }, "g");
        bench.Time.Advance(TimeSpan.FromHours(1));
        Assert.All(bench.Backend.Alive, instance => Assert.Equal(0, instance.Probes));
    }

    [Fact]
    public async Task An_instance_that_does_not_answer_its_probe_is_replaced()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(Probing);
        var stopped = bench.Backend.Alive.Single();
        stopped.Freeze(true);
        bench.Time.Advance(34_900);
        Assert.False(stopped.IsDisposed);
        bench.Time.Advance(200);
        Assert.True(stopped.IsDisposed);
        Assert.NotSame(stopped, bench.Backend.Alive.Single());
        Assert.Equal((1, 1, 0), (pool.Counters.Replaced, pool.Count(InstanceState.Idle), pool.Counters.Deaths));
    }

    [Fact]
    public async Task An_instance_that_answers_late_but_in_time_stays()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(Probing);
        var slow = bench.Backend.Alive.Single();
        slow.Freeze(true);
        bench.Time.Advance(34_000);
        slow.Freeze(false);
        bench.Time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal((1, false), (slow.Probes, slow.IsDisposed));
        bench.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal((2, 0), (slow.Probes, pool.Counters.Replaced));
    }

    [Fact]
    public async Task A_call_that_comes_to_a_stopped_instance_while_it_is_probed_is_told_why_it_failed()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(Probing with { MaxInstances = 1 });
        bench.Backend.Alive.Single().Freeze(true);
        bench.Time.Advance(31_000);
        var unlucky = pool.Invoke("a");
        var waits = pool.Invoke("b");
        bench.Time.Advance(4_100);
        var reply = await unlucky;
        Assert.Equal((Outcome.Crashed, "an instance of f did not answer its health probe within 5 s (health-timeout) and was killed"), (reply.Outcome, reply.Error));
        bench.Backend.Running("b").Answer();
        Assert.Equal(Outcome.Answered, (await waits).Outcome);
        Assert.Equal((1, 0), (pool.Counters.Replaced, pool.Counters.Deaths));
    }

    [Fact]
    public async Task A_function_whose_instances_keep_failing_probes_backs_off()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(Probing);
        for (var i = 0; i < 2; i++)
        {
            bench.Backend.Alive.Single().Freeze(true);
            bench.Time.Advance(TimeSpan.FromSeconds(36));
        }
        Assert.Contains("health probe", pool.Describe().Problem, StringComparison.Ordinal);
        Assert.Equal(2, pool.Counters.Replaced);
    }

    [Fact]
    public async Task A_warm_instance_that_dies_is_replaced()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        bench.Backend.Alive.Single().Die("gone");
        Assert.Equal((2, 1), (bench.Backend.Starts.Count, pool.Count(InstanceState.Idle)));
        bench.Backend.Alive.Single().Die("gone again");
        Assert.Equal(2, bench.Backend.Starts.Count);
        bench.Time.Advance(1000);
        Assert.Equal(3, bench.Backend.Starts.Count);
    }

    [Fact]
    public async Task An_idle_instance_that_dies_is_not_replaced_when_nobody_asked_for_it()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        _ = pool.Invoke("a");
        bench.Backend.Running("a").Answer();
        bench.Backend.Alive.Single().Die("gone");
        bench.Time.Advance(TimeSpan.FromHours(1));
        Assert.Single(bench.Backend.Starts);
    }
}
