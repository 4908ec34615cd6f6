using Stint.Invocations;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>New versions of a function that is being called.</summary>
public sealed class DeploymentTests
{
    [Fact]
    public async Task The_old_version_serves_until_the_new_one_is_healthy()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        _ = pool.Invoke("old");
        bench.Backend.StartsAtOnce = false;
        var deployed = pool.Deploy(bench.Version(PoolBench.Spec, "v2"));
        bench.Backend.Running("old").Answer();
        _ = pool.Invoke("between");
        Assert.Equal("v1", bench.Backend.Running("between").Instance.Version.Id);
        Assert.False(deployed.IsCompleted);
        Assert.Equal(("v1", "v2"), (pool.Describe().VersionId, pool.Describe().NextVersionId));

        bench.Backend.Booting.Single().Succeed();
        Assert.Null(await deployed);
        _ = pool.Invoke("new");
        Assert.Equal("v2", bench.Backend.Running("new").Instance.Version.Id);
        Assert.Equal(1, pool.Count(InstanceState.Draining));
        bench.Backend.Running("between").Answer();
        Assert.All(bench.Backend.Alive, instance => Assert.Equal("v2", instance.Version.Id));
    }

    [Fact]
    public async Task A_new_version_waits_for_all_its_min_instances()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        bench.Backend.StartsAtOnce = false;
        var deployed = pool.Deploy(bench.Version(PoolBench.Spec with { MinInstances = 2 }, "v2"));
        bench.Backend.Booting.First().Succeed();
        Assert.Equal("v1", pool.Describe().VersionId);
        bench.Backend.Booting.First().Succeed();
        Assert.Null(await deployed);
        Assert.Equal(2, pool.Count(InstanceState.Idle));
    }

    [Fact]
    public async Task A_new_version_that_does_not_boot_leaves_the_old_one_serving_and_says_so()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        bench.Backend.FailsWith = "fn.py is empty";
        var deployed = pool.Deploy(bench.Version(PoolBench.Spec, "v2"));
        Assert.Equal("version v2 did not boot: fn.py is empty; version v1 still serves", await deployed);
        Assert.Equal(await deployed, pool.Describe().Problem);
        var reply = pool.Invoke("a");
        bench.Backend.Running("a").Answer();
        Assert.Equal(Outcome.Answered, (await reply).Outcome);
        bench.Backend.FailsWith = null;
        Assert.Null(await pool.Deploy(bench.Version(PoolBench.Spec, "v3")));
        Assert.Null(pool.Describe().Problem);
    }

    [Fact]
    public async Task A_function_without_instances_switches_at_once_and_starts_nothing()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec);
        Assert.Null(await pool.Deploy(bench.Version(PoolBench.Spec, "v2")));
        Assert.Empty(bench.Backend.Starts);
        _ = pool.Invoke("a");
        Assert.Equal("v2", bench.Backend.Running("a").Instance.Version.Id);
    }

    [Fact]
    public async Task Calls_that_wait_for_a_version_that_never_booted_go_to_the_next_one()
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec);
        _ = pool.Invoke("a");
        var old = bench.Backend.Booting.Single();
        Assert.Null(await pool.Deploy(bench.Version(PoolBench.Spec, "v2")));
        Assert.True(old.Task.IsCanceled);
        bench.Backend.Booting.Single().Succeed();
        Assert.Equal("v2", bench.Backend.Running("a").Instance.Version.Id);
    }

    [Fact]
    public async Task The_newest_of_several_deployments_wins()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        bench.Backend.StartsAtOnce = false;
        var second = pool.Deploy(bench.Version(PoolBench.Spec, "v2"));
        var third = pool.Deploy(bench.Version(PoolBench.Spec, "v3"));
        Assert.Equal("a newer deployment took its place", await second);
        bench.Backend.Booting.Single().Succeed();
        Assert.Null(await third);
        Assert.Equal("v3", Assert.Single(bench.Backend.Alive).Version.Id);
    }

    [Fact]
    public async Task The_same_version_again_changes_nothing()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        Assert.Null(await pool.Deploy(bench.Version(PoolBench.Spec with { MinInstances = 1 })));
        Assert.Single(bench.Backend.Starts);
    }

    [Fact]
    public async Task A_new_version_that_finds_no_room_beside_the_old_one_takes_its_place_after_the_queue_timeout()
    {
        await using var bench = new PoolBench(instances: 1);
        var pool = bench.Open(PoolBench.Spec);
        _ = pool.Invoke("a");
        bench.Backend.Running("a").Answer();
        var deployed = pool.Deploy(bench.Version(PoolBench.Spec, "v2"));
        bench.Time.Advance(4999);
        Assert.False(deployed.IsCompleted);
        bench.Time.Advance(1);
        Assert.Null(await deployed);
        _ = pool.Invoke("b");
        Assert.Equal("v2", bench.Backend.Running("b").Instance.Version.Id);
    }

    [Fact]
    public async Task Two_hundred_deployments_under_constant_calls_lose_no_call_and_mix_no_versions()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { ConcurrentRequests = 2 });
        List<Task<Reply>> replies = [];
        for (var version = 2; version < 202; version++)
        {
            for (var i = 0; i < 3; i++) replies.Add(pool.Invoke($"{version}.{i}"));
            bench.Backend.StartsAtOnce = version % 3 == 0;
            var deployed = pool.Deploy(bench.Version(PoolBench.Spec with { ConcurrentRequests = 2 }, $"v{version}"));
            foreach (var call in bench.Backend.RunningCalls.Take(2).ToArray()) call.Answer();
            foreach (var start in bench.Backend.Booting.ToArray()) start.Succeed();
            bench.Time.Advance(10);
            foreach (var call in bench.Backend.RunningCalls.Take(4).ToArray()) call.Answer();
            Assert.Null(await deployed);
        }
        while (bench.Backend.RunningCalls.FirstOrDefault() is { } call) call.Answer();
        Assert.All(await Task.WhenAll(replies), reply => Assert.Equal(Outcome.Answered, reply.Outcome));
        Assert.All(bench.Backend.Alive, instance => Assert.Equal("v201", instance.Version.Id));
    }
}
