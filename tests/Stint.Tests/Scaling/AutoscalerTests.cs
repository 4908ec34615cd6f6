using Stint.Functions;
using Stint.Scaling;
using Stint.Tests.Pools;

namespace Stint.Tests.Scaling;

/// <summary>The autoscaler over a real pool, in virtual time.</summary>
public sealed class AutoscalerTests
{
    private static readonly FunctionSpec Spec = PoolBench.Spec with { MinInstances = 1, MaxInstances = 10, ScaleProportion = 1, QueueTimeout = TimeSpan.FromHours(1), Timeout = TimeSpan.FromHours(2), HealthInterval = TimeSpan.Zero };

    [Fact]
    public async Task Calls_at_a_time_are_given_instances_ahead_and_they_go_afterwards()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(Spec with { ScaleBy = ScalingMeasure.Capacity, ScaleTarget = 2, ConcurrentRequests = 100 });
        await using var scaler = new Autoscaler(() => [pool], bench.Time);
        for (var i = 0; i < 12; i++) _ = pool.Invoke($"{i}");
        Assert.Single(bench.Backend.Alive);
        Pass(bench, TimeSpan.FromSeconds(2));
        Assert.Equal((6, 6), (pool.Minimum, bench.Backend.Alive.Count()));
        foreach (var call in bench.Backend.RunningCalls.ToList()) call.Answer();
        Pass(bench, TimeSpan.FromMinutes(4));
        Assert.Equal((1, 1), (pool.Minimum, bench.Backend.Alive.Count()));
    }

    [Fact]
    public async Task Calls_a_second_are_counted_as_they_come()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(Spec with { ScaleBy = ScalingMeasure.Rps, ScaleTarget = 4, ConcurrentRequests = 1000 });
        await using var scaler = new Autoscaler(() => [pool], bench.Time);
        for (var tick = 0; tick < 8; tick++)
        {
            for (var i = 0; i < 5; i++)
            {
                _ = pool.Invoke($"{tick}-{i}");
                bench.Backend.Running($"{tick}-{i}").Answer();
            }
            bench.Time.Advance(Autoscaler.Interval);
        }
        Assert.Equal((5, 5), (pool.Minimum, bench.Backend.Alive.Count()));
    }

    [Fact]
    public async Task A_function_that_does_not_ask_for_it_is_left_alone()
    {
        await using var bench = new PoolBench();
        var pool = bench.Open(Spec with { ConcurrentRequests = 100 });
        await using var scaler = new Autoscaler(() => [pool], bench.Time);
        for (var i = 0; i < 50; i++) _ = pool.Invoke($"{i}");
        Pass(bench, TimeSpan.FromSeconds(5));
        Assert.Single(bench.Backend.Alive);
    }

    private static void Pass(PoolBench bench, TimeSpan time)
    {
        for (var passed = TimeSpan.Zero; passed < time; passed += Autoscaler.Interval) bench.Time.Advance(Autoscaler.Interval);
    }
}
