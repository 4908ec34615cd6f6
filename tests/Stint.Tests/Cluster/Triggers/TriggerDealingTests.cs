using Stint.Cluster.Triggers;
using Stint.Tests.Time;

namespace Stint.Tests.Cluster.Triggers;

public sealed class TriggerDealingTests
{
    [Fact]
    public void Slots_are_spread_and_only_those_of_a_gateway_that_leaves_change_hands()
    {
        string[] gateways = ["a", "b", "c", "d"];
        var before = Enumerable.Range(0, TriggerShare.Slots).Select(slot => TriggerShare.PreferredOf(slot, gateways)).ToList();
        Assert.Equal(4, before.Distinct().Count());
        var after = Enumerable.Range(0, TriggerShare.Slots).Select(slot => TriggerShare.PreferredOf(slot, gateways.Reverse().Where(static name => name != "b"))).ToList();
        for (var slot = 0; slot < TriggerShare.Slots; slot++)
            if (before[slot] != "b") Assert.Equal(before[slot], after[slot]);
        Assert.DoesNotContain("b", after);
        Assert.Null(TriggerShare.PreferredOf(0, []));
    }

    [Fact]
    public void The_stores_clock_is_followed_but_not_its_noise()
    {
        var time = new FakeTime();
        var clock = new StoreClock(time);
        clock.Set(time.GetUtcNow() + TimeSpan.FromMilliseconds(100), time.GetUtcNow());
        Assert.Equal(time.GetUtcNow(), clock.GetUtcNow());
        clock.Set(time.GetUtcNow() - TimeSpan.FromHours(1), time.GetUtcNow());
        Assert.Equal(time.GetUtcNow() - TimeSpan.FromHours(1), clock.GetUtcNow());
        clock.Set(time.GetUtcNow(), time.GetUtcNow());
        Assert.Equal(time.GetUtcNow(), clock.GetUtcNow());
    }
}
