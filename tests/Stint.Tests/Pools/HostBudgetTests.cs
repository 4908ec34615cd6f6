using Stint.Invocations;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>Functions that share a host which is too small for all of them.</summary>
public sealed class HostBudgetTests
{
    [Fact]
    public async Task The_least_recently_used_idle_instance_of_another_function_makes_room()
    {
        await using var bench = new PoolBench(memoryMiB: 250);
        var (one, two, three) = (bench.Open(PoolBench.Spec, "one"), bench.Open(PoolBench.Spec, "two"), bench.Open(PoolBench.Spec, "three"));
        foreach (var pool in new[] { one, two })
        {
            _ = pool.Invoke("warm-up");
            bench.Backend.Running("warm-up").Answer();
            bench.Time.Advance(100);
        }
        _ = three.Invoke("a");
        Assert.Equal("a", bench.Backend.RunningIds);
        Assert.Equal((0, 1), (one.Count(InstanceState.Idle), two.Count(InstanceState.Idle)));
        Assert.Equal(200, bench.Budget.UsedMiB);
    }

    [Fact]
    public async Task An_instance_that_was_used_just_now_is_safe_from_a_function_that_has_as_much()
    {
        await using var bench = new PoolBench(instances: 2);
        var (busy, quiet) = (bench.Open(PoolBench.Spec, "busy"), bench.Open(PoolBench.Spec, "quiet"));
        _ = quiet.Invoke("q");
        bench.Backend.Running("q").Answer();
        _ = busy.Invoke("a");
        _ = busy.Invoke("b");
        Assert.Equal(1, quiet.Count(InstanceState.Idle));
        Assert.Contains("no room for another instance (2 of 2 instances", busy.Describe().Problem!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_instance_that_nobody_used_for_a_while_is_not_safe()
    {
        await using var bench = new PoolBench(instances: 2);
        var spec = PoolBench.Spec with { QueueTimeout = TimeSpan.FromMinutes(1) };
        var (busy, quiet) = (bench.Open(spec, "busy"), bench.Open(spec, "quiet"));
        _ = quiet.Invoke("q");
        bench.Backend.Running("q").Answer();
        _ = busy.Invoke("a");
        _ = busy.Invoke("b");
        bench.Time.Advance(HostBudget.RecentUse + HostBudget.Turn);
        Assert.Equal("a b", bench.Backend.RunningIds);
        Assert.False(bench.Budget.IsContended);
    }

    [Fact]
    public async Task Min_instances_are_given_up_only_for_a_function_that_has_none_at_all()
    {
        await using var bench = new PoolBench(instances: 2);
        var warm = bench.Open(PoolBench.Spec with { MinInstances = 1 }, "warm");
        var other = bench.Open(PoolBench.Spec, "other");
        bench.Time.Advance(60_000);
        _ = other.Invoke("a");
        _ = other.Invoke("b");
        Assert.Equal(("a", 1), (bench.Backend.RunningIds, warm.Count(InstanceState.Idle)));
        var third = bench.Open(PoolBench.Spec, "third");
        _ = third.Invoke("c");
        Assert.Equal(("a c", 0), (bench.Backend.RunningIds, warm.Count(InstanceState.Idle)));
        bench.Backend.Running("a").Answer();
        bench.Backend.Running("b").Answer();
        bench.Time.Advance(301_000);
        Assert.Equal(1, warm.Count(InstanceState.Idle));
    }

    [Fact]
    public async Task When_nothing_can_go_the_call_waits_and_is_answered_unavailable()
    {
        await using var bench = new PoolBench(instances: 1);
        var (one, two) = (bench.Open(PoolBench.Spec, "one"), bench.Open(PoolBench.Spec, "two"));
        _ = one.Invoke("a");
        var waiting = two.Invoke("b");
        bench.Time.Advance(5000);
        var reply = await waiting;
        Assert.Equal(Outcome.Unavailable, reply.Outcome);
        Assert.StartsWith("no instance of two became free within 5 s (queue-timeout): the host has no room for another instance (1 of 1 instances", reply.Error, StringComparison.Ordinal);
        Assert.Equal(TimeSpan.FromSeconds(1), reply.RetryAfter);
    }

    [Fact]
    public async Task A_call_that_waits_for_room_starts_when_an_instance_has_gone()
    {
        await using var bench = new PoolBench(instances: 1);
        var (one, two) = (bench.Open(PoolBench.Spec, "one"), bench.Open(PoolBench.Spec, "two"));
        _ = one.Invoke("a");
        _ = two.Invoke("b");
        bench.Backend.Running("a").Answer();
        Assert.Equal("b", bench.Backend.RunningIds);
    }

    [Fact]
    public async Task A_function_that_could_never_fit_is_told_so()
    {
        await using var bench = new PoolBench(memoryMiB: 64);
        var reply = await bench.Open(PoolBench.Spec).Invoke("a");
        Assert.Equal(Outcome.Unavailable, reply.Outcome);
        Assert.Equal(
            "an instance of f needs 100 MiB, and all instances of this host together may have 64 MiB; lower memory in function.toml or raise memory-budget", reply.Error);
    }

    [Fact]
    public async Task What_a_function_lacks_is_said_before_anybody_calls_it()
    {
        await using var full = new PoolBench(instances: 1);
        _ = full.Open(PoolBench.Spec, "one").Invoke("a");
        var warm = full.Open(PoolBench.Spec with { MinInstances = 1 }, "two");
        Assert.Equal("the host has no room for the instances that min-instances keeps warm (1 of 1 instances, 100 of 100000 MiB in use)", warm.Describe().Problem);
        await using var small = new PoolBench(memoryMiB: 64);
        Assert.StartsWith("an instance of f needs 100 MiB, and all instances of this host together may have 64 MiB", small.Open(PoolBench.Spec).Describe().Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_function_with_more_than_its_share_gives_way_as_its_calls_end()
    {
        await using var bench = new PoolBench(instances: 4);
        var spec = PoolBench.Spec with { QueueTimeout = TimeSpan.FromMinutes(1) };
        var (greedy, modest) = (bench.Open(spec, "greedy"), bench.Open(spec, "modest"));
        for (var i = 0; i < 20; i++) _ = greedy.Invoke($"g{i}");
        for (var i = 0; i < 20; i++) _ = modest.Invoke($"m{i}");
        Assert.Equal(4, greedy.Count(InstanceState.Busy));
        for (var i = 0; i < 12; i++) bench.Backend.RunningCalls.First().Answer();
        Assert.Equal((2, 2), (greedy.Count(InstanceState.Busy), modest.Count(InstanceState.Busy)));
        Assert.Equal(4, bench.Budget.Used);
    }

    [Fact]
    public async Task With_fewer_places_than_functions_they_take_turns()
    {
        await using var bench = new PoolBench(instances: 1);
        var spec = PoolBench.Spec with { QueueTimeout = TimeSpan.FromMinutes(1), MaxQueue = 100_000 };
        FunctionPool[] pools = [bench.Open(spec, "one"), bench.Open(spec, "two"), bench.Open(spec, "three")];
        foreach (var pool in pools)
            for (var i = 0; i < 2000; i++) _ = pool.Invoke();
        for (var i = 0; i < 1500; i++)
        {
            bench.Time.Advance(10);
            bench.Backend.RunningCalls.Single().Answer();
        }
        // 15 s are ten turns for each; nobody gets less than half of its part.
        Assert.All(pools, pool => Assert.InRange(pool.Counters.Requests(Outcome.Answered), 250, 1000));
    }
}
