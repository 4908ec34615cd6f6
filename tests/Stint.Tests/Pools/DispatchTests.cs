using Stint.Invocations;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>How calls find instances, and how instances come and go.</summary>
public sealed class DispatchTests
{
    [Fact]
    public async Task A_first_call_starts_one_instance_and_is_answered_by_it()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        Assert.Empty(bench.Backend.Starts);
        var reply = pool.Invoke("a");
        bench.Backend.Running("a").Answer(201);
        Assert.Equal(201, (await reply).Status);
        Assert.Single(bench.Backend.Starts);
        Assert.Equal((1, 1), (pool.Counters.ColdStarts, pool.Counters.Requests(Outcome.Answered)));
        Assert.Equal(1, pool.Count(InstanceState.Idle));
    }

    [Fact]
    public async Task Waiting_calls_share_booting_instances_up_to_their_slots()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec with { ConcurrentRequests = 3 });
        for (var i = 0; i < 7; i++) _ = pool.Invoke($"{i}");
        Assert.Equal(3, bench.Backend.Starts.Count);
        bench.Backend.Starts[0].Succeed();
        Assert.Equal("0 1 2", bench.Backend.RunningIds);
        bench.Backend.Starts[1].Succeed();
        Assert.Equal("0 1 2 3 4 5", bench.Backend.RunningIds);
    }

    [Fact]
    public async Task Never_more_than_max_instances_are_started()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 2 });
        for (var i = 0; i < 5; i++) _ = pool.Invoke($"{i}");
        Assert.Equal(2, bench.Backend.Starts.Count);
        Assert.Equal(3, pool.QueueLength);
    }

    [Fact]
    public async Task Waiting_calls_are_served_in_the_order_of_their_coming()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        var replies = Enumerable.Range(0, 4).Select(i => pool.Invoke($"{i}")).ToArray();
        for (var i = 0; i < 4; i++)
        {
            Assert.Equal($"{i}", bench.Backend.RunningIds);
            bench.Backend.Running($"{i}").Answer();
        }
        Assert.All(await Task.WhenAll(replies), reply => Assert.Equal(Outcome.Answered, reply.Outcome));
        Assert.Equal(4, pool.Counters.QueueWaits.Read().Count);
    }

    [Fact]
    public async Task The_next_call_is_in_the_instance_before_the_last_one_is_answered()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        string? runningWhenAnswered = null;
        async Task FirstAsync()
        {
            await pool.InvokeAsync(PoolBench.Call("first")).ConfigureAwait(false);
            runningWhenAnswered = bench.Backend.RunningIds;
        }
        var first = FirstAsync();
        _ = pool.Invoke("second");
        bench.Backend.Running("first").Answer();
        await first;
        Assert.Equal("second", runningWhenAnswered);
    }

    [Fact]
    public async Task A_queue_of_calls_that_are_answered_on_the_spot_does_not_pile_up_on_the_stack()
    {
        await using var bench = new PoolBench();
        var spot = new OnTheSpotBackend();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1, MaxQueue = 20_000, QueueTimeout = TimeSpan.FromHours(1) }, backend: spot);
        spot.Hold();
        var replies = Enumerable.Range(0, 20_000).Select(_ => pool.Invoke()).ToArray();
        spot.LetGo();
        Assert.All(await Task.WhenAll(replies), reply => Assert.Equal(Outcome.Answered, reply.Outcome));
    }

    [Fact]
    public async Task The_most_recently_used_instance_is_taken_first()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        _ = pool.Invoke("a");
        _ = pool.Invoke("b");
        var (first, second) = (bench.Backend.Running("a"), bench.Backend.Running("b"));
        second.Answer();
        first.Answer();
        for (var i = 0; i < 3; i++)
        {
            _ = pool.Invoke("c");
            Assert.Same(first.Instance, bench.Backend.Running("c").Instance);
            bench.Backend.Running("c").Answer();
        }
        _ = pool.Invoke("d");
        _ = pool.Invoke("e");
        Assert.Same(second.Instance, bench.Backend.Running("e").Instance);
    }

    [Fact]
    public async Task An_instance_goes_when_its_keepalive_has_passed_since_its_last_call_ended()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { KeepAlive = TimeSpan.FromSeconds(10) });
        _ = pool.Invoke("a");
        bench.Time.Advance(8000);
        bench.Backend.Running("a").Answer();
        bench.Time.Advance(5000);
        _ = pool.Invoke("b");
        bench.Time.Advance(20_000);
        bench.Backend.Running("b").Answer();
        bench.Time.Advance(9999);
        Assert.Single(bench.Backend.Alive);
        bench.Time.Advance(1);
        Assert.Empty(bench.Backend.Alive);
        Assert.Equal(0, bench.Budget.Used);
    }

    [Fact]
    public async Task Keepalive_zero_lets_an_instance_go_at_once()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { KeepAlive = TimeSpan.Zero });
        _ = pool.Invoke("a");
        bench.Backend.Running("a").Answer();
        Assert.Empty(bench.Backend.Alive);
    }

    [Fact]
    public async Task Keepalive_minus_one_keeps_an_instance_for_ever()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { KeepAlive = Timeout.InfiniteTimeSpan });
        _ = pool.Invoke("a");
        bench.Backend.Running("a").Answer();
        bench.Time.Advance(TimeSpan.FromDays(365));
        Assert.Single(bench.Backend.Alive);
    }

    [Fact]
    public async Task Min_instances_are_warm_from_deployment_on_and_survive_their_keepalive()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 2, KeepAlive = TimeSpan.FromSeconds(1) });
        Assert.Equal(2, pool.Count(InstanceState.Idle));
        for (var i = 0; i < 3; i++) _ = pool.Invoke($"{i}");
        for (var i = 0; i < 3; i++) bench.Backend.Running($"{i}").Answer();
        Assert.Equal(3, pool.Count(InstanceState.Idle));
        bench.Time.Advance(60_000);
        Assert.Equal(2, pool.Count(InstanceState.Idle));
    }

    [Fact]
    public async Task A_start_that_is_no_longer_needed_is_kept_until_its_keepalive()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec with { KeepAlive = TimeSpan.FromSeconds(10) });
        using var caller = new CancellationTokenSource();
        var reply = pool.Invoke("a", gone: caller.Token);
        caller.Cancel();
        Assert.Equal(Outcome.Cancelled, (await reply).Outcome);
        bench.Backend.Starts[0].Succeed();
        Assert.Equal(1, pool.Count(InstanceState.Idle));
        bench.Time.Advance(10_000);
        Assert.Empty(bench.Backend.Alive);
    }

    [Fact]
    public async Task A_single_use_instance_serves_one_call_and_goes()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { SingleUse = true, ConcurrentRequests = 4, MaxInstances = 1 });
        _ = pool.Invoke("a");
        _ = pool.Invoke("b");
        var first = bench.Backend.Running("a");
        Assert.Equal("a", bench.Backend.RunningIds);
        first.Answer();
        Assert.True(first.Instance.IsDisposed);
        Assert.NotSame(first.Instance, bench.Backend.Running("b").Instance);
    }

    [Theory]
    [InlineData(300)]
    [InlineData(0)]
    public async Task Successors_of_a_single_use_instance_are_started_ahead(int keepAlive)
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { SingleUse = true, Ahead = 2, KeepAlive = TimeSpan.FromSeconds(keepAlive) });
        Assert.Empty(bench.Backend.Starts);
        _ = pool.Invoke("a");
        Assert.Equal((1, 2), (pool.Count(InstanceState.Busy), pool.Count(InstanceState.Idle)));
        _ = pool.Invoke("b");
        Assert.Equal(4, bench.Backend.Starts.Count);
        bench.Backend.Running("a").Answer();
        bench.Backend.Running("b").Answer();
        bench.Time.Advance(keepAlive * 1000 + 1);
        Assert.Empty(bench.Backend.Alive);
    }

    [Fact]
    public async Task A_full_queue_sheds_at_once()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1, MaxQueue = 2 });
        for (var i = 0; i < 3; i++) _ = pool.Invoke($"{i}");
        var reply = await pool.Invoke("too many");
        Assert.Equal(Outcome.Shed, reply.Outcome);
        Assert.Equal("f has 2 calls waiting already (max-queue); try again later", reply.Error);
        Assert.Equal(TimeSpan.FromSeconds(1), reply.RetryAfter);
        Assert.Equal(1, pool.Counters.Requests(Outcome.Shed));
    }

    [Fact]
    public async Task A_call_that_waited_too_long_is_answered_unavailable_and_never_runs()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1, QueueTimeout = TimeSpan.FromSeconds(5), Timeout = TimeSpan.FromHours(1) });
        _ = pool.Invoke("a");
        var late = pool.Invoke("b");
        bench.Time.Advance(4999);
        Assert.False(late.IsCompleted);
        bench.Time.Advance(1);
        Assert.Equal(Outcome.Unavailable, (await late).Outcome);
        Assert.Equal("no instance of f became free within 5 s (queue-timeout)", (await late).Error);
        bench.Backend.Running("a").Answer();
        Assert.Empty(bench.Backend.RunningCalls);
    }

    [Fact]
    public async Task A_call_whose_instance_is_being_started_waits_for_it_and_those_behind_it_do_not()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1, ConcurrentRequests = 2 });
        var (first, second, third) = (pool.Invoke("a"), pool.Invoke("b"), pool.Invoke("c"));
        bench.Time.Advance(5000);
        Assert.Equal((Outcome.Unavailable, "no instance of f became free within 5 s (queue-timeout)"), ((await third).Outcome, (await third).Error));
        bench.Time.Advance(15_000);
        Assert.Equal(2, pool.QueueLength);
        bench.Backend.Starts[0].Succeed();
        Assert.Equal("a b", bench.Backend.RunningIds);
        bench.Backend.Running("a").Answer();
        bench.Backend.Running("b").Answer();
        Assert.All(await Task.WhenAll(first, second), static reply => Assert.Equal(Outcome.Answered, reply.Outcome));
    }

    [Fact]
    public async Task A_call_waits_no_longer_than_its_function_or_its_caller_says_whatever_is_being_started()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var said = bench.Open(PoolBench.Spec with { QueueTimeout = TimeSpan.FromSeconds(5) }).Invoke("a");
        var silent = bench.Open(PoolBench.Spec, "g");
        var (hasLimit, hasNone) = (silent.Invoke("b", TimeSpan.FromSeconds(8)), silent.Invoke("c"));
        bench.Time.Advance(5000);
        Assert.Equal(Outcome.Unavailable, (await said).Outcome);
        bench.Time.Advance(2999);
        Assert.False(hasLimit.IsCompleted);
        bench.Time.Advance(1);
        Assert.Equal(Outcome.TimedOut, (await hasLimit).Outcome);
        Assert.False(hasNone.IsCompleted);
        // The one that is left hears why, not that its time is up.
        bench.Time.Advance(17_000);
        Assert.Equal(Outcome.Unavailable, (await hasNone).Outcome);
        Assert.Contains("(boot-timeout)", (await hasNone).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task New_calls_are_refused_while_running_ones_drain()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        var running = pool.Invoke("a");
        var waiting = pool.Invoke("b");
        var drained = pool.DrainAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(Outcome.Unavailable, (await waiting).Outcome);
        Assert.Equal(Outcome.Unavailable, (await pool.Invoke("c")).Outcome);
        bench.Time.Advance(5000);
        Assert.False(drained.IsCompleted);
        bench.Backend.Running("a").Answer();
        await drained;
        Assert.Equal(Outcome.Answered, (await running).Outcome);
        Assert.Empty(bench.Backend.Alive);
    }

    [Fact]
    public async Task What_still_runs_when_the_drain_limit_has_passed_is_killed()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        var running = pool.Invoke("a");
        var drained = pool.DrainAsync(TimeSpan.FromSeconds(10));
        bench.Time.Advance(10_000);
        await drained;
        Assert.Equal(Outcome.Crashed, (await running).Outcome);
        Assert.Empty(bench.Backend.Alive);
    }

    [Fact]
    public async Task A_drain_gives_up_starts()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec);
        var waiting = pool.Invoke("a");
        await pool.DrainAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(Outcome.Unavailable, (await waiting).Outcome);
        Assert.True(bench.Backend.Starts[0].Task.IsCanceled);
        Assert.Equal(0, pool.Counters.StartFailures);
    }

    [Fact]
    public async Task A_removed_function_ends_its_calls_and_answers_not_found_to_those_that_wait()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 1 });
        var running = pool.Invoke("a");
        var waiting = pool.Invoke("b");
        var removed = pool.RemoveAsync();
        Assert.Equal(Outcome.NotFound, (await waiting).Outcome);
        bench.Backend.Running("a").Answer();
        await removed;
        Assert.Equal(Outcome.Answered, (await running).Outcome);
    }

    [Fact]
    public async Task A_description_tells_every_instance()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        _ = pool.Invoke("a");
        bench.Time.Advance(1000);
        var view = pool.Describe();
        var instance = Assert.Single(view.Instances);
        Assert.Equal(("v1", "v1", InstanceState.Busy, 1, 1024), (view.VersionId, instance.VersionId, instance.State, instance.InFlight, instance.Usage.MemoryBytes));
        Assert.Equal(bench.Time.GetUtcNow() - TimeSpan.FromSeconds(1), instance.StartedAt);
        Assert.Null(view.Problem);
    }
}
