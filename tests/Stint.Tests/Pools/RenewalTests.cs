using Stint.Tests.Backends.Upstream;

namespace Stint.Tests.Pools;

/// <summary>All instances replaced by new ones of the same version, because something that they were given at their start has changed.</summary>
public sealed class RenewalTests
{
    [Fact]
    public async Task Old_instances_serve_until_a_new_one_does_and_go_with_their_last_call()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        _ = pool.Invoke("old");
        var old = bench.Backend.Running("old").Instance;
        bench.Backend.StartsAtOnce = false;
        var renewed = pool.RenewAsync();
        Assert.False(renewed.IsCompleted);
        bench.Backend.Booting.Single().Succeed();
        Assert.Null(await renewed);
        Assert.Equal("v1", pool.Describe().VersionId);
        Assert.Contains(old, bench.Backend.Alive);
        _ = pool.Invoke("new");
        Assert.NotEqual(old, bench.Backend.Running("new").Instance);
        bench.Backend.Running("old").Answer();
        Assert.DoesNotContain(old, bench.Backend.Alive);
    }

    [Fact]
    public async Task New_instances_that_do_not_start_leave_the_old_ones()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        bench.Backend.FailsWith = "the secret is gone";
        Assert.Contains("the secret is gone", await pool.RenewAsync(), StringComparison.Ordinal);
        Assert.Single(bench.Backend.Alive);
    }

    [Fact]
    public async Task How_many_are_wanted_stays()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1, MaxInstances = 5 });
        pool.Want(3);
        Assert.Null(await pool.RenewAsync());
        await Eventually.IsTrueAsync(() => bench.Backend.Alive.Count() == 3);
        Assert.Equal(3, pool.Minimum);
    }

    [Fact]
    public async Task A_deployment_goes_first_and_is_not_given_up()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        bench.Backend.StartsAtOnce = false;
        var deployed = pool.Deploy(bench.Version(PoolBench.Spec, "v2"));
        var renewed = pool.RenewAsync();
        bench.Backend.Booting.Single().Succeed();
        Assert.Null(await deployed);
        await Eventually.IsTrueAsync(() => bench.Backend.Booting.Any());
        Assert.False(renewed.IsCompleted);
        var first = bench.Backend.Alive.Single(static instance => instance.Version.Id == "v2");
        bench.Backend.Booting.Single().Succeed();
        Assert.Null(await renewed);
        Assert.DoesNotContain(first, bench.Backend.Alive);
    }

    [Fact]
    public async Task A_deployment_that_comes_while_they_boot_is_waited_for()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(PoolBench.Spec with { MinInstances = 1 });
        bench.Backend.StartsAtOnce = false;
        var renewed = pool.RenewAsync();
        var deployed = pool.Deploy(bench.Version(PoolBench.Spec, "v2"));
        // The last one is of the renewal that comes after the deployment: what it has booted may have the old values.
        for (var start = 0; start < 2; start++)
        {
            await Eventually.IsTrueAsync(() => bench.Backend.Booting.Any());
            Assert.False(renewed.IsCompleted);
            bench.Backend.Booting.Single().Succeed();
        }
        Assert.Null(await deployed);
        Assert.Null(await renewed);
        Assert.Equal("v2", Assert.Single(bench.Backend.Alive).Version.Id);
    }
}
