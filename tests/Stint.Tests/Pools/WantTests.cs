namespace Stint.Tests.Pools;

/// <summary>Instances that somebody wants to be there, whatever <c>min-instances</c> says.</summary>
public sealed class WantTests
{
    [Fact]
    public async Task More_are_started_and_those_without_a_call_go_at_once_when_fewer_are_wanted()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1, MaxInstances = 10 });
        pool.Want(4);
        Assert.Equal((4, 4), (pool.Minimum, bench.Backend.Alive.Count()));
        _ = pool.Invoke("a");
        pool.Want(0);
        Assert.Same(bench.Backend.Running("a").Instance, Assert.Single(bench.Backend.Alive));
        pool.Want(null);
        Assert.Equal((1, 1), (pool.Minimum, bench.Backend.Alive.Count()));
    }

    [Fact]
    public async Task Never_more_than_max_instances_are_wanted()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 3 });
        pool.Want(9);
        Assert.Equal((3, 3), (pool.Minimum, bench.Backend.Alive.Count()));
    }

    [Fact]
    public async Task A_call_still_gets_an_instance_when_none_is_wanted()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 2 });
        pool.Want(0);
        Assert.Empty(bench.Backend.Alive);
        var reply = pool.Invoke("a");
        bench.Backend.Running("a").Answer();
        Assert.Equal(200, (await reply).Status);
        Assert.Single(bench.Backend.Alive);
        pool.Want(0);
        Assert.Empty(bench.Backend.Alive);
    }

    [Fact]
    public async Task A_new_version_is_as_large_as_it_says_itself()
    {
        await using var bench = new PoolBench();
        var spec = PoolBench.Spec with { MinInstances = 1, MaxInstances = 10 };
        var pool = bench.Open(spec);
        pool.Want(5);
        Assert.Null(await pool.Deploy(bench.Version(spec with { MinInstances = 2 }, "next")));
        Assert.Equal(2, pool.Minimum);
    }
}
