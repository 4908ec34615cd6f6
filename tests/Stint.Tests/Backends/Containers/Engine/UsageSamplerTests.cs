using Stint.Backends;
using Stint.Backends.Containers.Engine;
using Stint.Tests.Cli;
using Stint.Tests.Time;

namespace Stint.Tests.Backends.Containers.Engine;

public sealed class UsageSamplerTests
{
    [Fact]
    public async Task Only_those_that_are_asked_for_are_measured_and_each_once_a_second()
    {
        var cpu = 0;
        await using var engine = new PlayedEngine(call => call.IsPing ? Task.CompletedTask : call.AnswerAsync(
            200, "{\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":" + 100 * ++cpu + "}},\"memory_stats\":{\"usage\":500,\"stats\":{\"total_inactive_file\":100,\"inactive_file\":7}}}"));
        using var client = engine.Client();
        var time = new FakeTime();
        await using var sampler = new UsageSampler(client, time);
        Assert.Equal(default, sampler.Read("a"));
        await Wait.UntilAsync(() => sampler.Read("a") == new InstanceUsage(400, TimeSpan.FromTicks(1)));
        for (var again = 0; again < 100; again++) Assert.Equal(new InstanceUsage(400, TimeSpan.FromTicks(1)), sampler.Read("a"));
        time.Advance(UsageSampler.Freshness);
        await Wait.UntilAsync(() => sampler.Read("a").CpuTime == TimeSpan.FromTicks(2));
        Assert.Equal(2, cpu);
        Assert.DoesNotContain(engine.Asked, static one => one.Contains("/b/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_engine_that_is_away_leaves_the_last_figures()
    {
        var isAway = false;
        await using var engine = new PlayedEngine(call => call.IsPing ? Task.CompletedTask : call.AnswerAsync(isAway ? 500 : 200, "{\"memory_stats\":{\"usage\":5}}"));
        using var client = engine.Client();
        var time = new FakeTime();
        await using var sampler = new UsageSampler(client, time);
        await Wait.UntilAsync(() => sampler.Read("a").MemoryBytes == 5);
        isAway = true;
        var asked = engine.Asked.Count;
        time.Advance(UsageSampler.Freshness);
        Assert.Equal(5, sampler.Read("a").MemoryBytes);
        await Wait.UntilAsync(() => engine.Asked.Count > asked);
        Assert.Equal(5, sampler.Read("a").MemoryBytes);
        sampler.Forget("a");
        Assert.Equal(default, sampler.Read("a"));
    }

    [Fact]
    public async Task A_hundred_containers_take_a_few_connections()
    {
        await using var engine = new PlayedEngine(static call => call.IsPing ? Task.CompletedTask : call.AnswerAsync(200, "{\"memory_stats\":{\"usage\":5}}"));
        using var client = engine.Client();
        await using var sampler = new UsageSampler(client, new FakeTime());
        var ids = Enumerable.Range(0, 100).Select(static n => $"c{n}").ToList();
        var most = 0;
        await Wait.UntilAsync(() =>
        {
            most = Math.Max(most, engine.Open);
            return ids.TrueForAll(id => sampler.Read(id).MemoryBytes == 5);
        });
        Assert.InRange(most, 1, 4);
    }
}
