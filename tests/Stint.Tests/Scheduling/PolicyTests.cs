using FsCheck;
using FsCheck.Fluent;
using Stint.Scheduling;

namespace Stint.Tests.Scheduling;

/// <summary>Where calls go: the contract's rules in a table, and what holds whatever the script, the function and the workers.</summary>
public sealed class PolicyTests
{
    private const long Mebibyte = 1024 * 1024;

    // name:available/total MiB:running:tags; "?" = it has not said what memory it has
    [Theory]
    // best-first takes the order of the block, not that of the workers, and passes over those that are not there
    [InlineData("workers: [b, a]", "a:100/200:0: b:100/200:0:", 1, "b")]
    [InlineData("workers: [gone, a]", "a:100/200:0: b:100/200:0:", 1, "a")]
    [InlineData("workers: \"*\"", "a:100/200:0: b:150/200:0:", 1, "a")]
    [InlineData("workers: a", "a:100/200:0: b:100/200:0:", 1, "a")]
    [InlineData("workers: [gone]", "a:100/200:0:", 1, "NoValidWorkers")]
    // platform takes the one with most memory available, among the block's alone
    [InlineData("workers: \"*\", strategy: platform", "a:100/200:0: b:150/200:0: c:120/900:0:", 1, "b")]
    [InlineData("workers: [a, c], strategy: platform", "a:100/200:0: b:150/200:0: c:120/900:0:", 1, "c")]
    // capacity: as much as is available is enough
    [InlineData("workers: \"*\"", "a:99/200:0: b:100/200:0:", 100, "b")]
    [InlineData("workers: \"*\"", "a:99/200:0: b:98/200:0:", 100, "NoValidWorkers")]
    // max_concurrent_invocations: fewer than so many
    [InlineData("workers: \"*\", invalidate: {max_concurrent_invocations: 3}", "a:100/200:3: b:100/200:2:", 1, "b")]
    [InlineData("workers: \"*\", invalidate: {max_concurrent_invocations: 0}", "a:100/200:0:", 1, "NoValidWorkers")]
    // capacity_used: with the call counted; exactly the share is allowed
    [InlineData("workers: \"*\", invalidate: {capacity_used: 50%}", "a:110/200:0: b:120/200:0:", 20, "b")]
    [InlineData("workers: \"*\", invalidate: {capacity_used: 50%}", "a:120/200:0:", 20, "a")]
    [InlineData("workers: \"*\", invalidate: {capacity_used: 50%}", "a:119/200:0:", 20, "NoValidWorkers")]
    [InlineData("workers: \"*\", invalidate: {capacity_used: 0%}", "a:200/200:0:", 0, "a")]
    [InlineData("workers: \"*\", invalidate: {capacity_used: 100%}", "a:20/200:0:", 20, "a")]
    // affinity: each must run there; anti-affinity: none
    [InlineData("workers: \"*\", affinity: [x]", "a:100/200:1:y b:100/200:1:x", 1, "b")]
    [InlineData("workers: \"*\", affinity: [x, y]", "a:100/200:1:x b:100/200:2:x+y", 1, "b")]
    [InlineData("workers: \"*\", affinity: [\"!x\"]", "a:100/200:1:x b:100/200:1:y", 1, "b")]
    [InlineData("workers: \"*\", affinity: [y, \"!x\"]", "a:100/200:1:x+y b:100/200:1:", 1, "NoValidWorkers")]
    // a worker that has not said: no reason against it, but a share of it cannot be held to
    [InlineData("workers: \"*\"", "a:?:0:", 100, "a")]
    [InlineData("workers: \"*\", invalidate: {capacity_used: 100%}", "a:?:0: b:100/200:0:", 1, "b")]
    [InlineData("workers: \"*\", invalidate: {max_concurrent_invocations: 1}", "a:?:1: b:?:0:", 1, "b")]
    [InlineData("workers: \"*\", strategy: platform", "a:?:0: b:1/200:0:", 1, "b")]
    [InlineData("workers: \"*\"", "", 1, "NoWorkers")]
    public void One_block(string block, string workers, int capacityMiB, string expected) =>
        Assert.Equal(expected, Place($"[{{default: [{{{block}}}]}}]", null, workers, capacityMiB));

    [Theory]
    [InlineData("web", "a")]
    [InlineData("batch", "b")]
    [InlineData("unknown", "c")]
    [InlineData(null, "c")]
    [InlineData("default", "c")]
    public void The_functions_tag_selects_the_entry(string? tag, string expected) =>
        Assert.Equal(expected, Place("[{web: [{workers: a}]}, {batch: [{workers: b}]}, {default: [{workers: c}]}]", tag, "a:9/9:0: b:9/9:0: c:9/9:0:", 1));

    [Theory]
    [InlineData("[{web: [{workers: a}]}]", "batch", "NoMatchingTag")]
    [InlineData("[{web: [{workers: a}]}]", null, "NoMatchingTag")]
    // blocks in their order
    [InlineData("[{web: [{workers: gone}, {workers: b}]}]", "web", "b")]
    [InlineData("[{web: [{workers: a, invalidate: {max_concurrent_invocations: 0}}, {workers: a}]}]", "web", "a")]
    // what follows when no block has a valid worker
    [InlineData("[{web: [{workers: gone}]}, {default: [{workers: b}]}]", "web", "NoValidWorkers")]
    [InlineData("[{web: [{workers: gone}], followup: fail}, {default: [{workers: b}]}]", "web", "NoValidWorkers")]
    [InlineData("[{web: [{workers: gone}], followup: default}, {default: [{workers: b}]}]", "web", "b")]
    [InlineData("[{web: [{workers: gone}], followup: default}]", "web", "NoValidWorkers")]
    [InlineData("[{web: [{workers: gone}], followup: default}, {default: [{workers: gone}]}]", "web", "NoValidWorkers")]
    [InlineData("[{default: [{workers: gone}], followup: default}]", null, "NoValidWorkers")]
    public void Entries_follow_each_other(string script, string? tag, string expected) => Assert.Equal(expected, Place(script, tag, "a:9/9:0: b:9/9:0:", 1));

    [Theory]
    [InlineData("a:100/200:9: b:150/200:0:", 1, "b")]
    [InlineData("a:100/200:0: b:150/200:0:", 120, "b")]
    [InlineData("a:100/200:0: b:150/200:0:", 151, "NoValidWorkers")]
    [InlineData("a:?:0: b:150/200:0:", 1, "b")]
    [InlineData("a:?:0: b:150/200:0:", 151, "a")]
    [InlineData("a:?:0:", 1, "a")]
    [InlineData("", 1, "NoWorkers")]
    public void Without_a_script_the_one_with_most_memory_is_taken(string workers, int capacityMiB, string expected) =>
        Assert.Equal(expected, Text(DefaultPolicy.Choose(new SchedulingRequest(null, capacityMiB * Mebibyte), Workers(workers), new Random(1))));

    [Fact]
    public void The_dice_reach_everybody()
    {
        var workers = Workers("a:9/9:0: b:9/9:0: c:9/9:0: full:0/9:0:");
        var random = new Random(7);
        var script = Script("[{default: [{workers: \"*\", strategy: random}]}]");
        Assert.Equal(["a", "b", "c"], Enumerable.Range(0, 200).Select(_ => AppPolicy.Choose(script, new SchedulingRequest(null, Mebibyte), workers, random).Worker).Distinct().Order());
        var silent = Workers("a:?:0: b:?:0:");
        Assert.Equal(["a", "b"], Enumerable.Range(0, 200).Select(_ => DefaultPolicy.Choose(new SchedulingRequest(null, Mebibyte), silent, random).Worker).Distinct().Order());
    }

    [Fact]
    public void Whoever_is_chosen_is_valid_in_the_block_that_chose_and_nobody_is_only_when_nobody_is_valid()
    {
        var cases = from blocks in Blocks().NonEmptyListOf()
                    from fallback in Blocks().NonEmptyListOf()
                    from falls in Gen.Elements(true, false)
                    from workers in Worker().ListOf()
                    from capacity in Gen.Choose(0, 12)
                    from seed in Gen.Choose(0, 1000)
                    select (Blocks: blocks.ToArray(), Fallback: fallback.ToArray(), falls, Workers: workers.ToArray(), capacity, seed);
        Prop.ForAll(cases.ToArbitrary(), static one =>
        {
            var tags = new Dictionary<string, AppTag> { ["t"] = new(one.Blocks, one.falls), [AppScript.DefaultTag] = new(one.Fallback, false) };
            var script = new AppScript(System.Collections.Frozen.FrozenDictionary.ToFrozenDictionary(tags));
            var request = new SchedulingRequest("t", one.capacity);
            var placement = AppPolicy.Choose(script, request, one.Workers, new Random(one.seed));
            var tried = one.falls ? [.. one.Blocks, .. one.Fallback] : one.Blocks;
            if (one.Workers.Length == 0) return placement.Fault == PlacementFault.NoWorkers;
            // The first block that has a valid worker decides.
            var deciding = tried.FirstOrDefault(block => Candidates(block, one.Workers).Any(worker => AppPolicy.IsValid(block, request, worker)));
            if (deciding is null) return placement == Placement.Nowhere(PlacementFault.NoValidWorkers);
            var valid = Candidates(deciding, one.Workers).Where(worker => AppPolicy.IsValid(deciding, request, worker)).ToArray();
            return placement.Fault == PlacementFault.None && valid.Any(worker => worker.Name == placement.Worker)
                && (deciding.Strategy != AppStrategy.BestFirst || placement.Worker == valid[0].Name)
                && (deciding.Strategy != AppStrategy.Platform || placement.Worker == DefaultPolicy.Choose(request, valid, new Random(one.seed)).Worker || valid.All(static worker => worker.Memory is null))
                // The same arguments, the same place.
                && placement == AppPolicy.Choose(script, request, one.Workers, new Random(one.seed));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));
    }

    [Fact]
    public void A_valid_worker_stays_valid_with_more_memory_fewer_calls_and_a_smaller_function()
    {
        var cases = from block in Blocks() from worker in Worker() from capacity in Gen.Choose(0, 12) from less in Gen.Choose(0, 12) select (block, worker, capacity, less);
        Prop.ForAll(cases.ToArbitrary(), static one =>
        {
            if (!AppPolicy.IsValid(one.block, new SchedulingRequest(null, one.capacity), one.worker)) return true;
            var better = one.worker with
            {
                Running = Math.Max(0, one.worker.Running - one.less),
                Memory = one.worker.Memory is { } memory ? memory with { Available = Math.Min(memory.Total, memory.Available + one.less) } : null,
            };
            return AppPolicy.IsValid(one.block, new SchedulingRequest(null, Math.Max(0, one.capacity - one.less)), better);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));
    }

    private static IEnumerable<WorkerSnapshot> Candidates(AppBlock block, WorkerSnapshot[] workers) => block.Workers?.SelectMany(name => workers.Where(worker => worker.Name == name)) ?? workers;

    private static Gen<AppBlock> Blocks() =>
        from names in Gen.Elements(null, (string[])["a"], ["b", "a"], ["c", "gone"])
        from strategy in Gen.Elements(AppStrategy.BestFirst, AppStrategy.Random, AppStrategy.Platform)
        from used in Gen.Elements<int?>(null, 0, 50, 100)
        from most in Gen.Elements<int?>(null, 0, 1, 5)
        from affinity in Gen.Elements((string[])[], ["x"], ["x", "y"])
        from anti in Gen.Elements((string[])[], ["x"], ["z"])
        select new AppBlock { Workers = names, Strategy = strategy, CapacityUsed = used, MaxConcurrentInvocations = most, Affinity = affinity, AntiAffinity = anti };

    private static Gen<WorkerSnapshot> Worker() =>
        from name in Gen.Elements("a", "b", "c", "d")
        from total in Gen.Choose(1, 20)
        from available in Gen.Choose(0, 20)
        from says in Gen.Elements(true, true, false)
        from running in Gen.Choose(0, 6)
        from tags in Gen.Elements((string[])[], ["x"], ["x", "y"], ["z"])
        select new WorkerSnapshot(name) { Memory = says ? new WorkerMemory(Math.Min(available, total), total) : null, Running = running, RunningTags = tags.ToHashSet() };

    private static string Place(string script, string? tag, string workers, int capacityMiB) => Text(AppPolicy.Choose(Script(script), new SchedulingRequest(tag, capacityMiB * Mebibyte), Workers(workers), new Random(1)));

    private static string Text(Placement placement) => placement.Worker ?? placement.Fault.ToString();

    private static AppScript Script(string yaml) => AppScriptReader.Read(yaml, out var problems) ?? throw new InvalidOperationException(string.Join('\n', problems));

    private static WorkerSnapshot[] Workers(string text) => [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static worker =>
    {
        var parts = worker.Split(':');
        var memory = parts[1].Split('/');
        return new WorkerSnapshot(parts[0])
        {
            Memory = parts[1] == "?" ? null : new WorkerMemory(long.Parse(memory[0], System.Globalization.CultureInfo.InvariantCulture) * Mebibyte, long.Parse(memory[1], System.Globalization.CultureInfo.InvariantCulture) * Mebibyte),
            Running = int.Parse(parts[2], System.Globalization.CultureInfo.InvariantCulture),
            RunningTags = parts[3].Split('+', StringSplitOptions.RemoveEmptyEntries).ToHashSet(),
        };
    })];
}
