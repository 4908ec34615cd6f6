using FsCheck;
using FsCheck.Fluent;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>Several functions on a small host, by random events: the budget is never exceeded, and nobody waits for room that is there.</summary>
public sealed class HostBudgetPropertyTests
{
    private const int Functions = 3;

    [Fact]
    public void The_budget_is_kept_and_room_is_used() =>
        Prop.ForAll(Arb.From(Gen.Choose(0, 1_000_000).ArrayOf(120)), Play).Check(Config.QuickThrowOnFailure.WithMaxTest(400));

    private static void Play(int[] script)
    {
        var bench = new PoolBench(memoryMiB: 100 * (2 + script[0] % 4), instances: 1 + script[1] % 4);
        using var budget = bench.Budget;
        bench.Backend.StartsAtOnce = false;
        var spec = PoolBench.Spec with { MaxInstances = 3, ConcurrentRequests = 1 + script[2] % 2, KeepAlive = TimeSpan.FromSeconds(4), QueueTimeout = TimeSpan.FromSeconds(3) };
        var large = spec with { Process = spec.Process! with { MemoryMiB = 200 } };
        FunctionPool[] pools = [bench.Open(spec with { MinInstances = script[3] % 2 }, "one"), bench.Open(spec, "two"), bench.Open(large, "large")];
        List<string> log = [$"{bench.Budget.Instances} instances, {bench.Budget.MemoryMiB} MiB"];
        foreach (var number in script.AsSpan(4))
        {
            var (kind, which) = (number % 100, number / 100);
            log.Add($"{kind} {which} at {bench.Time.Elapsed.TotalSeconds}: {string.Join("; ", pools.Select(Words))}");
            if (kind < 40) _ = pools[which % Functions].Invoke();
            else if (kind < 60 && bench.Backend.Booting.ToArray() is { Length: > 0 } starts) starts[which % starts.Length].Succeed();
            else if (kind < 85 && bench.Backend.RunningCalls.ToArray() is { Length: > 0 } calls) calls[which % calls.Length].Answer();
            else if (kind < 88 && bench.Backend.Alive.ToArray() is { Length: > 0 } alive) alive[which % alive.Length].Die("test");
            else bench.Time.Advance(200 * (which % 10));
            Check(bench, pools, spec.ConcurrentRequests, log);
        }
        var closed = pools.Select(pool => pool.DisposeAsync().AsTask()).ToArray();
        if (!closed.All(task => task.IsCompletedSuccessfully) || budget.Used != 0 || bench.Backend.Faults.Count > 0) throw new InvalidOperationException("something is left over");
    }

    private static void Check(PoolBench bench, FunctionPool[] pools, int slots, List<string> log)
    {
        var budget = bench.Budget;
        string? problem = null;
        if (budget.Used > budget.Instances || budget.UsedMiB > budget.MemoryMiB) problem = $"{budget.Used} instances with {budget.UsedMiB} MiB";
        foreach (var pool in pools)
        {
            var need = pool.Name.ToString() == "large" ? 200 : 100;
            var starting = pool.Count(InstanceState.Starting);
            var instances = Enum.GetValues<InstanceState>().Sum(pool.Count);
            var justified = (pool.QueueLength + slots - 1) / slots > starting && instances < 3 && pool.Describe().NextRetry is null && !(starting > 0 && pool.Describe().Problem is not null);
            // A larger start that came first may rightly hold back a smaller one.
            var first = !pools.Any(other => other != pool && other.QueueLength > 0);
            if (justified && first && budget.Used < budget.Instances && budget.UsedMiB + need <= budget.MemoryMiB) problem = $"{pool.Name} waits beside free room";
            var evictable = pools.Any(other => other != pool && other.Count(InstanceState.Idle) > 0 && other.QueueLength == 0);
            if (justified && first && instances == 0 && evictable && need <= budget.MemoryMiB) problem = $"{pool.Name} has nothing and waits beside idle instances";
        }
        if (problem is not null) throw new InvalidOperationException($"{problem}\nafter\n{string.Join('\n', log)}\nnow {string.Join("; ", pools.Select(Words))}");
    }

    private static string Words(FunctionPool pool) => $"{pool.Name} {string.Join(' ', pool.Describe().Instances.Select(instance => instance.State))}, {pool.QueueLength} wait";
}
