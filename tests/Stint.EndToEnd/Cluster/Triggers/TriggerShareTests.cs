using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.Cluster.Triggers;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Triggers;

[Collection(TestPostgres.Collection)]
public sealed class TriggerShareTests(TestPostgres postgres)
{
    private static readonly string[] Events = [.. Enumerable.Range(0, 64).Select(static i => $"event {i}")];

    [Fact]
    public async Task Gateways_share_the_events_and_one_that_leaves_hands_its_part_over()
    {
        await using var store = await postgres.OpenStoreAsync();
        string[] names = ["a", "b", "c"];
        foreach (var name in names) await EnterAsync(store, name);
        var shares = names.Select(name => Share(store, name)).ToList();
        try
        {
            foreach (var share in shares) share.Begin();
            await Retry.UntilAsync("each event is somebody's, and each has a part", () => IsDealt(shares));
            var identities = shares.Select(static share => share.Identity).Distinct().ToList();
            Assert.Equal((await store.PositionAsync(default)).Store, Assert.Single(identities));

            var left = shares[0];
            var told = 0;
            left.Changed = () => Interlocked.Increment(ref told);
            await LeaveAsync(store, "a");
            await left.DisposeAsync();
            Assert.True(told > 0);
            Assert.DoesNotContain(Events, left.IsMine);
            shares.RemoveAt(0);
            await Retry.UntilAsync("the others have all of them", () => IsDealt(shares));

            // One that joins gets its part.
            await EnterAsync(store, "d");
            shares.Add(Share(store, "d"));
            shares[^1].Begin();
            await Retry.UntilAsync("it has a part", () => IsDealt(shares));
        }
        finally
        {
            foreach (var share in shares) await share.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_gateway_that_loses_the_store_has_nothing_before_another_has_it()
    {
        var address = await postgres.CreateDatabaseAsync();
        await using var store = new ClusterStore(StoreAddress.Parse(address));
        await store.PrepareAsync(default);
        await using var relay = new TcpRelay(postgres.Port);
        await using var cut = new ClusterStore(StoreAddress.Parse(postgres.OverTcp(address, relay.Port)));
        await EnterAsync(store, "a");
        await EnterAsync(store, "b");
        await using var one = Share(cut, "a");
        await using var two = Share(store, "b");
        var owners = 0;
        one.Begin();
        two.Begin();
        await Retry.UntilAsync("both have a part", () => IsDealt([one, two]));
        relay.Cut();
        await LeaveAsync(store, "a");
        await Retry.UntilAsync("the other has all of them", () =>
        {
            foreach (var name in Events)
                if (two.IsMine(name) && one.IsMine(name)) owners++;
            return two.Count == TriggerShare.Slots;
        });
        Assert.Equal((0, 0), (owners, one.Count));
    }

    [Fact]
    public async Task A_slot_that_nobody_takes_who_should_is_taken_by_another()
    {
        await using var store = await postgres.OpenStoreAsync();
        await EnterAsync(store, "a");
        // Of a program that knows nothing of this, for instance.
        await EnterAsync(store, "silent");
        await using var one = Share(store, "a");
        one.Begin();
        await Retry.UntilAsync("it has all of them", () => one.Count == TriggerShare.Slots);
    }

    [Fact]
    public async Task A_schedule_goes_on_where_the_owner_before_had_come_to()
    {
        await using var store = await postgres.OpenStoreAsync();
        await using var one = Share(store, "a");
        await using var two = Share(store, "b");
        var first = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000);
        Assert.Equal(first, await one.BeginAsync("k", "f", first));
        await one.DoneAsync("k", first + TimeSpan.FromMinutes(5), isCorrection: false);
        Assert.Equal(first + TimeSpan.FromMinutes(5), await two.BeginAsync("k", "f", first + TimeSpan.FromHours(1)));
        // What an owner of before still says does not count any more, unless it is that a clock was wrong.
        await two.DoneAsync("k", first + TimeSpan.FromMinutes(10), isCorrection: false);
        await one.DoneAsync("k", first + TimeSpan.FromMinutes(6), isCorrection: false);
        Assert.Equal(first + TimeSpan.FromMinutes(10), await one.BeginAsync("k", "f", first));
        await two.DoneAsync("k", first, isCorrection: true);
        Assert.Equal(first, await one.BeginAsync("k", "f", first + TimeSpan.FromHours(1)));
        await two.ForgetAsync("k");
        Assert.Equal(first + TimeSpan.FromHours(1), await one.BeginAsync("k", "f", first + TimeSpan.FromHours(1)));
    }

    [Fact]
    public async Task A_gateway_without_an_MQTT_library_leaves_events_to_others_while_there_are_any()
    {
        await using var store = await postgres.OpenStoreAsync();
        await EnterAsync(store, "lacks", new NodeReport { Version = "1", LacksMqtt = true });
        await EnterAsync(store, "has", new NodeReport { Version = "1" });
        await using var lacks = Share(store, "lacks");
        await using var has = Share(store, "has");
        lacks.Begin();
        has.Begin();
        await Retry.UntilAsync("the one that can has all of them", () => has.Count == TriggerShare.Slots);
        Assert.Equal(0, lacks.Count);
        // Schedules need none.
        await LeaveAsync(store, "has");
        await has.DisposeAsync();
        await Retry.UntilAsync("the other has them", () => lacks.Count == TriggerShare.Slots);
    }

    [Fact]
    public async Task Schedules_of_functions_that_were_removed_while_nobody_looked_are_forgotten()
    {
        await using var store = await postgres.OpenStoreAsync();
        await EnterAsync(store, "a");
        await store.UseAsync(connection => connection.ExecuteAsync(
            """
            insert into stint.blob (hash, size) values (repeat('a', 64), 0);
            insert into stint.function (module, name, version, hash, is_flat, change) values ('_', 'here', 1, repeat('a', 64), true, 1), ('m', 'here', 1, repeat('a', 64), true, 2), ('_', 'gone', 1, null, true, 3);
            """, [], default), default);
        var first = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_000);
        foreach (var function in (string[])["here", "here.m", "gone", "gone.m", "never"]) await store.Schedules.BeginAsync($"key of {function}", function, first, default);
        await using var share = Share(store, "a");
        share.Begin();
        await Retry.UntilAsync("only those of functions are there", async () => (await store.UseAsync(connection => connection.RowsAsync(
            "select function from stint.schedule order by function", [], static row => row.GetString(0), default), default)).SequenceEqual(["here", "here.m"]));
    }

    private static bool IsDealt(IReadOnlyCollection<TriggerShare> shares) => Events.All(name => shares.Count(share => share.IsMine(name)) == 1) && shares.All(static share => share.Count > 0);

    private static TriggerShare Share(ClusterStore store, string name) => new(store, name, new StoreClock(TimeProvider.System), TimeProvider.System, NullLogger<TriggerShare>.Instance);

    private static Task<int> EnterAsync(ClusterStore store, string name, NodeReport? report = null) => store.UseAsync(connection => connection.ExecuteAsync(
        "insert into stint.node (name, instance, is_gateway, is_worker, addresses, labels, report, alive_until) values ($1, 'test', true, false, '', '{}', $2, clock_timestamp() + interval '1 hour')",
        [Sql.Text(name), Sql.Text(report?.ToJson() ?? "{}")], default), default);

    private static Task<int> LeaveAsync(ClusterStore store, string name) => store.UseAsync(connection => connection.ExecuteAsync("delete from stint.node where name = $1", [Sql.Text(name)], default), default);
}
