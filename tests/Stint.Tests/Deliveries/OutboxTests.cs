using System.Text;
using Stint.Deliveries;
using Stint.Deliveries.Storage;
using Stint.Tests.Cli;
using Stint.Tests.Functions;

namespace Stint.Tests.Deliveries;

public sealed class OutboxTests
{
    [Fact]
    public async Task Deliveries_of_one_target_go_out_in_order_and_one_that_fails_holds_up_its_own_target_only()
    {
        var kind = new TestKind();
        await using var rig = new CallsRig(null, null, kind);
        var down = true;
        kind.Answer = delivery => down && delivery.Target == "\"down\"" ? DeliveryResult.TryAgain("down") : DeliveryResult.Delivered;
        await rig.BeginAsync();
        Assert.Equal(60, await rig.Outbox.AddAsync([.. Enumerable.Range(0, 60).Select(static i => Of($"{i}", i % 2 == 0 ? "down" : "up"))]));
        await rig.AdvanceUntilAsync(() => kind.Delivered.Count == 30);
        Assert.All(kind.Tried.Where(static one => one.Target == "\"down\""), static one => Assert.Equal("0", one.CallId));
        down = false;
        await rig.AdvanceUntilAsync(() => kind.Delivered.Count == 60);
        foreach (var target in new[] { "\"down\"", "\"up\"" })
        {
            var order = kind.Delivered.Where(one => one.Target == target).Select(static one => int.Parse(one.CallId, System.Globalization.CultureInfo.InvariantCulture)).ToList();
            Assert.Equal(order.Order(), order);
        }
        await Wait.UntilAsync(() => rig.IsIdle);
    }

    [Fact]
    public async Task One_that_will_never_arrive_becomes_a_dead_letter_and_the_next_goes_out()
    {
        var kind = new TestKind { Answer = static delivery => delivery.CallId == "poison" ? DeliveryResult.GiveUp("never", 400) : DeliveryResult.Delivered };
        await using var rig = new CallsRig(null, null, kind);
        await rig.BeginAsync();
        await rig.Outbox.AddAsync([Of("a"), Of("poison"), Of("b")]);
        await Wait.UntilAsync(() => kind.Delivered.Count == 2 && rig.Usage.DeadDeliveries == 1 && rig.IsIdle);
        var dead = Assert.Single(await rig.ListAsync(dead: true));
        Assert.Equal(("test", "poison", 400, "never"), (dead.Kind, dead.CallId, dead.Status, dead.Reason));
        await Wait.UntilAsync(() => rig.Outbox.Counters.Of("test").DeadCount == 1);
    }

    [Fact]
    public async Task A_kind_with_an_age_gives_up_then_and_one_without_never()
    {
        var (mortal, patient) = (new TestKind("mortal") { MaxAge = TimeSpan.FromMinutes(10), Answer = static _ => DeliveryResult.TryAgain("down") }, new TestKind("patient") { Answer = static _ => DeliveryResult.TryAgain("down") });
        await using var rig = new CallsRig(null, null, mortal, patient);
        await rig.BeginAsync();
        await rig.Outbox.AddAsync([Of("m") with { Kind = "mortal" }, Of("p") with { Kind = "patient" }]);
        await rig.AdvanceUntilAsync(() => rig.Outbox.Counters.Of("mortal").DeadCount == 1, 2000);
        Assert.Equal("m", Assert.Single(await rig.ListAsync(dead: true)).CallId);
        Assert.True(rig.Time.Elapsed >= TimeSpan.FromMinutes(10) - RetryDelay.Longest);
        var before = patient.Tried.Count;
        await rig.AdvanceUntilAsync(() => patient.Tried.Count > before + 2, 5000);
        Assert.Equal(1, rig.Usage.Deliveries);
    }

    [Fact]
    public async Task What_throws_is_tried_again_with_the_same_identity()
    {
        var failures = 2;
        var kind = new TestKind { Answer = _ => Interlocked.Decrement(ref failures) >= 0 ? throw new IOException("broke") : DeliveryResult.Delivered };
        await using var rig = new CallsRig(null, null, kind);
        await rig.BeginAsync();
        await rig.Outbox.AddAsync([Of("a")]);
        await rig.AdvanceUntilAsync(() => kind.Delivered.Count == 1);
        Assert.Equal([1, 2, 3], kind.Tried.Select(static one => one.Attempts));
        Assert.Single(kind.Tried.Select(static one => one.Id).Distinct());
    }

    [Fact]
    public async Task A_function_with_too_many_on_their_way_loses_the_rest_which_is_counted()
    {
        var kind = new TestKind();
        await using var rig = new CallsRig(null, new StoreLimits { Deliveries = 2, Reserve = 0 }, kind);
        Assert.Equal(2, await rig.Outbox.AddAsync([Of("a"), Of("b"), Of("c")]));
        Assert.Equal(1, rig.Outbox.Counters.Of("test").RefusedCount);
    }

    [Fact]
    public async Task What_an_earlier_run_left_is_delivered_by_the_next()
    {
        using var folder = new TempFolder();
        await using (var first = new CallsRig(folder, null, new TestKind()))
        {
            await first.Outbox.AddAsync([Of("a"), Of("b")]);
        }
        var kind = new TestKind();
        await using var second = new CallsRig(folder, null, kind);
        await second.BeginAsync();
        await Wait.UntilAsync(() => kind.Delivered.Count == 2);
        Assert.Equal(["a", "b"], kind.Delivered.Select(static one => one.CallId));
        Assert.All(kind.Delivered, static one => Assert.Equal(("text/x-test", "body", 207), (one.ContentType, Encoding.UTF8.GetString(one.Body.Span), one.Status)));
    }

    private static Delivery Of(string call, string target = "t") => new()
    {
        Kind = "test", Function = StoreFolder.Name(), CallId = call, Target = $"\"{target}\"", ContentType = "text/x-test", Body = "body"u8.ToArray(), Status = 207, Took = TimeSpan.FromSeconds(1.5),
    };
}
