using Stint.Scheduling;

namespace Stint.Tests.Scheduling;

/// <summary>What <see cref="WarmFirstPolicy"/> promises, on small clusters by hand and on many by the dice.</summary>
public sealed class WarmFirstPolicyTests
{
    private static readonly SchedulingRequest Request = new(null, 100);

    [Fact]
    public void A_warm_worker_with_a_free_processor_is_taken_whatever_others_have() =>
        Assert.All(Enumerable.Range(0, 50), static seed => Assert.Equal("b", Choose([Worker("a", 1000, 0), Worker("b", 0, 3), Worker("c", 1000, 0)], [1], seed).Worker));

    [Fact]
    public void A_warm_worker_without_one_is_left_for_a_worker_that_has_one() =>
        Assert.All(Enumerable.Range(0, 50), static seed => Assert.Equal("a", Choose([Worker("a", 1000, 0), Worker("b", 0, 4)], [1], seed).Worker));

    [Fact]
    public void When_nobody_has_a_free_processor_the_warm_worker_is_taken() =>
        Assert.All(Enumerable.Range(0, 50), static seed => Assert.Equal("b", Choose([Worker("a", 1000, 9), Worker("b", 1000, 4)], [1], seed).Worker));

    [Fact]
    public void The_only_worker_with_memory_is_found_among_a_thousand()
    {
        var workers = Enumerable.Range(0, 1000).Select(static i => Worker($"w{i}", i == 777 ? 100 : 99, 0)).ToArray();
        Assert.All(Enumerable.Range(0, 20), seed => Assert.Equal("w777", Choose(workers, [], seed).Worker));
    }

    [Fact]
    public void Without_workers_or_without_memory_there_is_no_place()
    {
        Assert.Equal(PlacementFault.NoWorkers, Choose([], [], 1).Fault);
        Assert.Equal(PlacementFault.NoValidWorkers, Choose([Worker("a", 99, 0)], [], 1).Fault);
    }

    [Fact]
    public void Whoever_is_chosen_is_warm_or_has_the_memory()
    {
        var dice = new Random(7);
        for (var round = 0; round < 20_000; round++)
        {
            var workers = Enumerable.Range(0, dice.Next(1, 12)).Select(i => Worker($"{i}", dice.Next(0, 200), dice.Next(0, 9))).ToArray();
            int[] warm = [.. Enumerable.Range(0, workers.Length).Where(_ => dice.Next(3) == 0)];
            var placement = WarmFirstPolicy.Choose(Request, workers, warm, dice);
            var fits = workers.Where(static worker => worker.Memory!.Value.Available >= 100).ToArray();
            if (placement.Worker is null) Assert.True(warm.Length == 0 && fits.Length == 0);
            else Assert.True(warm.Any(index => workers[index].Name == placement.Worker) || fits.Any(worker => worker.Name == placement.Worker));
        }
    }

    [Fact]
    public void Calls_without_warm_workers_spread_more_evenly_than_by_one_throw_of_the_dice()
    {
        // Balls into bins: one choice leaves the fullest of n = 1,000 with about ln n / ln ln n ≈ 5 or more, two choices with about ln ln n / ln 2 ≈ 3.
        var dice = new Random(11);
        var workers = Enumerable.Range(0, 1000).Select(static i => Worker($"{i}", 1000, 0)).ToArray();
        for (var call = 0; call < 1000; call++)
        {
            var index = int.Parse(WarmFirstPolicy.Choose(Request, workers, [], dice).Worker!, System.Globalization.CultureInfo.InvariantCulture);
            workers[index] = workers[index] with { Running = workers[index].Running + 1 };
        }
        Assert.InRange(workers.Max(static worker => worker.Running), 1, 4);
    }

    private static Placement Choose(WorkerSnapshot[] workers, int[] warm, int seed) => WarmFirstPolicy.Choose(Request, workers, warm, new Random(seed));

    private static WorkerSnapshot Worker(string name, long available, int running) => new(name) { Memory = new WorkerMemory(available, 1000), Running = running, Cores = 4 };
}
