using Stint.Invocations;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>Load in virtual time: calls of a fixed length arrive by schedule, starts take 50 ms, and the figures are exact.</summary>
public sealed class LoadTests
{
    private const int ServiceMs = 10;
    private const int BootMs = 50;

    [Fact]
    public async Task A_quiet_function_keeps_its_latency_beside_one_with_fifty_times_its_load()
    {
        var alone = await QuietP99Async(busyPerSecond: 0);
        var beside = await QuietP99Async(busyPerSecond: 1000);
        Assert.InRange(beside, ServiceMs, 2 * alone);
    }

    [Fact]
    public async Task At_ten_times_the_capacity_the_goodput_stays()
    {
        // Two instances of 10 ms a call are good for 200 calls a second.
        var peak = await GoodputAsync(perSecond: 200);
        var overload = await GoodputAsync(perSecond: 2000);
        Assert.InRange(peak, 190, 200);
        Assert.True(overload >= 0.9 * peak, $"{overload} calls a second answered at ten times the load, {peak} at capacity");
    }

    /// <summary>The 99th percentile of a function called 20 times a second, with a neighbour that wants the whole host, in milliseconds.</summary>
    private static async Task<double> QuietP99Async(int busyPerSecond)
    {
        await using var bench = new PoolBench(instances: 4);
        bench.Backend.StartsAtOnce = false;
        var spec = PoolBench.Spec with { MaxInstances = 8 };
        var (busy, quiet) = (bench.Open(spec, "busy"), bench.Open(spec, "quiet"));
        var host = new VirtualHost(bench);
        List<double> latencies = [];
        var random = new Random(7);
        var due = 0.0;
        for (var ms = 0; ms < 30_000; ms++)
        {
            for (; due <= ms; due += -50 * Math.Log(1 - random.NextDouble())) _ = MeasureAsync(quiet, bench, ms < 2000 ? [] : latencies);
            for (var i = 0; i < busyPerSecond / 1000; i++) _ = busy.Invoke();
            host.Step();
        }
        return latencies.Order().ElementAt(latencies.Count * 99 / 100);
    }

    private static async Task MeasureAsync(FunctionPool pool, PoolBench bench, List<double> latencies)
    {
        var since = bench.Time.Elapsed;
        await pool.InvokeAsync(PoolBench.Call()).ConfigureAwait(false);
        latencies.Add((bench.Time.Elapsed - since).TotalMilliseconds);
    }

    /// <summary>Calls answered a second, over ten seconds.</summary>
    private static async Task<double> GoodputAsync(int perSecond)
    {
        await using var bench = new PoolBench();
        bench.Backend.StartsAtOnce = false;
        var pool = bench.Open(PoolBench.Spec with { MaxInstances = 2, MaxQueue = 100, QueueTimeout = TimeSpan.FromSeconds(1) });
        var host = new VirtualHost(bench);
        for (var ms = 0; ms < 10_000; ms++)
        {
            for (var i = ms * perSecond / 1000; i < (ms + 1) * perSecond / 1000; i++) _ = pool.Invoke();
            host.Step();
        }
        return pool.Counters.Requests(Outcome.Answered) / 10.0;
    }

    /// <summary>Ends starts and calls when their time has come, a millisecond at a time.</summary>
    private sealed class VirtualHost(PoolBench bench)
    {
        private readonly Dictionary<object, TimeSpan> _ends = [];

        public void Step()
        {
            bench.Time.Advance(1);
            var now = bench.Time.Elapsed;
            bench.Backend.Starts.RemoveAll(static start => start.Task.IsCompleted);
            foreach (var start in bench.Backend.Starts.ToArray())
                if (IsOver(start, BootMs, now)) start.Succeed();
            bench.Backend.Instances.RemoveAll(static instance => instance.IsDisposed);
            foreach (var call in bench.Backend.RunningCalls.ToArray())
                if (IsOver(call, ServiceMs, now)) call.Answer();
        }

        private bool IsOver(object what, int lasts, TimeSpan now)
        {
            if (!_ends.TryGetValue(what, out var end)) _ends[what] = end = now + TimeSpan.FromMilliseconds(lasts - 1);
            return now >= end && _ends.Remove(what);
        }
    }
}
