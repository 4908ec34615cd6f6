using System.Buffers;
using System.IO.Pipelines;
using Stint.Deliveries.Storage;

namespace Stint.Tests.Deliveries;

/// <summary>What holds of every store of entries, whatever it is made of: each has a class that derives from this one.</summary>
public abstract class EntryStoreContract : IAsyncLifetime, IAsyncDisposable
{
    private const string Lane = "call:f";
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private EntryStoreRig _rig = null!;

    /// <summary>A store with nothing in it.</summary>
    private protected abstract Task<EntryStoreRig> OpenAsync(StoreLimits limits);

    private IEntryStore Store => _rig.Store;

    public async Task InitializeAsync() => _rig = await OpenAsync(new StoreLimits { Reserve = 0 });

    async Task IAsyncLifetime.DisposeAsync() => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task What_was_added_is_on_disk_when_the_task_ends_whatever_happens_to_the_process()
    {
        Assert.Equal([Addition.Added], await Store.AddAsync([_rig.Call("a", body: [4, 5, 6])]));
        await using var copy = await _rig.OpenOtherAsync();
        var claimed = Assert.Single(await copy.ClaimAsync(Lane, ordered: false, 10, _rig.Lease()));
        Assert.Equal(("a", 1, 0), (claimed.Entry.Id, claimed.Attempts, claimed.Failures));
        Assert.Equal([4, 5, 6], claimed.Entry.Body.ToArray());
        Assert.Equal([1, 2, 3], claimed.Entry.Head);
    }

    [Fact]
    public async Task A_call_and_what_follows_it_end_together()
    {
        await Store.AddAsync([_rig.Call("a")]);
        var claimed = Assert.Single(await Store.ClaimAsync(Lane, false, 10, _rig.Lease()));
        await using (var before = await _rig.OpenOtherAsync())
        {
            Assert.Equal(["a"], await IdsAsync(before));
        }
        Assert.Equal([Addition.Added], await Store.EndAsync(claimed, new Ending.Done([_rig.Result("r")])));
        await using var after = await _rig.OpenOtherAsync();
        Assert.Equal(["r"], await IdsAsync(after));
    }

    [Fact]
    public async Task An_identity_that_is_known_is_not_added_again_until_it_has_been_forgotten()
    {
        await Store.AddAsync([_rig.Call("a"), _rig.Call("own", keepsId: false)]);
        Assert.Equal([Addition.Known, Addition.Known, Addition.Added], await Store.AddAsync([_rig.Call("a"), _rig.Call("own", keepsId: false), _rig.Call("a", "g")]));
        var claimed = await Store.ClaimAsync(Lane, false, 10, _rig.Lease());
        Assert.Equal([Addition.Known], await Store.AddAsync([_rig.Call("a")]));
        foreach (var one in claimed) await Store.EndAsync(one, new Ending.Done([]));
        // The caller's own is remembered; one that we made up means nothing any more.
        Assert.Equal([Addition.Known, Addition.Added], await Store.AddAsync([_rig.Call("a"), _rig.Call("own", keepsId: false)]));
        await _rig.ReopenAsync();
        Assert.Equal([Addition.Known], await Store.AddAsync([_rig.Call("a")]));
        await _rig.AdvanceAsync(_rig.Limits.KeepIds + TimeSpan.FromSeconds(1));
        await Store.SweepAsync();
        Assert.Equal([Addition.Added], await Store.AddAsync([_rig.Call("a")]));
    }

    [Fact]
    public async Task A_dead_letter_that_is_sent_again_lives_again()
    {
        await Store.AddAsync([_rig.Call("a")]);
        var first = Assert.Single(await Store.ClaimAsync(Lane, false, 10, _rig.Lease()));
        await Store.EndAsync(first, new Ending.Dead(500, "why", []));
        Assert.Empty(await Store.ClaimAsync(Lane, false, 10, _rig.Lease()));
        Assert.Equal([Addition.Added], await Store.AddAsync([_rig.Call("a")]));
        Assert.Equal(1, Assert.Single(await Store.ClaimAsync(Lane, false, 10, _rig.Lease())).Attempts);
        Assert.Equal((1, 0), (Store.Usage.Of(EntryStoreRig.Name()).Calls, Store.Usage.Of(EntryStoreRig.Name()).DeadCalls));
    }

    [Fact]
    public async Task A_claim_holds_until_its_lease_ends_unless_it_is_renewed()
    {
        await Store.AddAsync([_rig.Call("a")]);
        var claimed = Assert.Single(await Store.ClaimAsync(Lane, false, 10, _rig.Lease("first", 36_000)));
        Assert.Equal("first", claimed.Owner);
        await _rig.AdvanceAsync(9 * Hour);
        Assert.Empty(await Store.ClaimAsync(Lane, false, 10, _rig.Lease("second")));
        await Store.RenewAsync([claimed.Number], _rig.Lease("first", 36_000));
        await _rig.AdvanceAsync(9 * Hour);
        Assert.Empty(await Store.ClaimAsync(Lane, false, 10, _rig.Lease("second")));
        // Somebody else's renewal is none.
        await Store.RenewAsync([claimed.Number], _rig.Lease("second", 360_000));
        AssertAbout(Hour, await Store.NextDueAsync(Lane, false) - _rig.Time.GetUtcNow());
        await _rig.AdvanceAsync(Hour);
        Assert.Equal(2, Assert.Single(await Store.ClaimAsync(Lane, false, 10, _rig.Lease("second"))).Attempts);
    }

    [Fact]
    public async Task Who_has_lost_the_lease_may_only_say_that_it_is_done()
    {
        await Store.AddAsync([_rig.Call("a"), _rig.Call("b", "g")]);
        foreach (var lane in (string[])[Lane, "call:g"])
        {
            var lost = Assert.Single(await Store.ClaimAsync(lane, false, 10, _rig.Lease("first", 3600)));
            await _rig.AdvanceAsync(2 * Hour);
            var held = Assert.Single(await Store.ClaimAsync(lane, false, 10, _rig.Lease("second", 36_000)));
            Assert.Empty(await Store.EndAsync(lost, new Ending.Later(_rig.Time.GetUtcNow(), true, 500, "late")));
            Assert.Empty(await Store.EndAsync(lost, new Ending.Dead(500, "late", [_rig.Result("no")])));
            await Store.EndAsync(lost, new Ending.Untried());
            Assert.True(Assert.Single(await Store.ListAsync(new EntryFilter(Id: lost.Entry.Id), 10)).IsRunning);
            Assert.Equal((2, 0), (held.Attempts, held.Failures));
            if (lane == Lane) Assert.Equal([Addition.Added], await Store.EndAsync(lost, new Ending.Done([_rig.Result("yes")])));
            else Assert.Equal([Addition.Known], await Store.EndAsync(held, new Ending.Dead(500, "no", [_rig.Result("yes")])));
        }
        // The same result, of the same lane: it is known when it comes a second time.
        Assert.Equal(["b", "yes"], (await IdsAsync(Store)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task In_order_what_is_not_due_holds_up_what_comes_after_it_and_otherwise_not()
    {
        await Store.AddAsync([_rig.Call("a"), _rig.Call("b"), _rig.Call("c")]);
        var first = (await Store.ClaimAsync(Lane, ordered: true, 1, _rig.Lease()))[0];
        Assert.Equal("a", first.Entry.Id);
        Assert.Empty(await Store.ClaimAsync(Lane, ordered: true, 10, _rig.Lease()));
        await Store.EndAsync(first, new Ending.Later(_rig.Time.GetUtcNow() + 5 * Hour, true, 503, "busy"));
        Assert.Empty(await Store.ClaimAsync(Lane, ordered: true, 10, _rig.Lease()));
        AssertAbout(5 * Hour, await Store.NextDueAsync(Lane, ordered: true) - _rig.Time.GetUtcNow());
        var others = await Store.ClaimAsync(Lane, ordered: false, 10, _rig.Lease());
        Assert.Equal(["b", "c"], others.Select(static one => one.Entry.Id));
        foreach (var other in others) await Store.EndAsync(other, new Ending.Untried());
        await _rig.AdvanceAsync(5 * Hour);
        Assert.Equal(["a", "b", "c"], (await Store.ClaimAsync(Lane, ordered: true, 10, _rig.Lease())).Select(static one => one.Entry.Id));
    }

    [Fact]
    public async Task Tries_and_failures_are_counted_apart_and_an_untried_one_counts_for_nothing()
    {
        await Store.AddAsync([_rig.Call("a")]);
        async Task<Claimed> NextAsync() => Assert.Single(await Store.ClaimAsync(Lane, false, 10, _rig.Lease()));
        await Store.EndAsync(await NextAsync(), new Ending.Later(_rig.Time.GetUtcNow(), IsFailure: false, null, "shed"));
        await Store.EndAsync(await NextAsync(), new Ending.Later(_rig.Time.GetUtcNow(), IsFailure: true, 500, "failed"));
        await Store.EndAsync(await NextAsync(), new Ending.Untried());
        var last = await NextAsync();
        Assert.Equal((3, 1), (last.Attempts, last.Failures));
        var view = Assert.Single(await Store.ListAsync(new EntryFilter(), 10));
        Assert.Equal((500, "failed", true), (view.Status, view.Reason, view.IsRunning));
    }

    [Fact]
    public async Task A_function_that_has_too_much_waiting_is_refused_and_others_are_not()
    {
        await using var folder = await OpenAsync(new StoreLimits { Calls = 2, Deliveries = 1, FunctionBytes = 1000, Bytes = 1500, Reserve = 0 });
        Assert.Equal([Addition.Added, Addition.Added, Addition.TooMany, Addition.Added], await folder.Store.AddAsync([folder.Call("1"), folder.Call("2"), folder.Call("3"), folder.Call("1", "g")]));
        Assert.Equal([Addition.Added, Addition.TooMany], await folder.Store.AddAsync([folder.Result("1"), folder.Result("2")]));
        Assert.Equal([Addition.TooMany, Addition.Added, Addition.TooMany], await folder.Store.AddAsync([folder.Call("a", "h", body: new byte[1000]), folder.Call("b", "h", body: new byte[900]), folder.Call("c", "i", body: new byte[900])]));
        var claimed = await folder.Store.ClaimAsync(Lane, false, 1, folder.Lease());
        await folder.Store.EndAsync(claimed[0], new Ending.Done([]));
        Assert.Equal([Addition.Added], await folder.Store.AddAsync([folder.Call("3")]));
        await folder.ReopenAsync();
        Assert.Equal([Addition.TooMany], await folder.Store.AddAsync([folder.Call("4")]));
        Assert.Equal(2, folder.Store.Usage.Of(EntryStoreRig.Name()).Calls);
    }

    [Fact]
    public async Task Dead_letters_are_listed_revived_dropped_and_the_oldest_of_too_many_go()
    {
        await using var folder = await OpenAsync(new StoreLimits { MaxDead = 2, Reserve = 0 });
        var store = folder.Store;
        await store.AddAsync([folder.Call("a"), folder.Call("b"), folder.Call("c")]);
        foreach (var one in await store.ClaimAsync(Lane, false, 10, folder.Lease()))
        {
            await store.EndAsync(one, new Ending.Dead(500, "no", []));
            await folder.AdvanceAsync(TimeSpan.FromSeconds(1));
        }
        var dead = await store.ListAsync(new EntryFilter(IsDead: true), 10);
        Assert.Equal(["b", "c"], dead.Select(static view => view.Id));
        Assert.All(dead, static view => Assert.Equal((true, 500, "no", 1), (view.IsDead, view.Status, view.Reason, view.Attempts)));
        Assert.Equal(1, await store.DropAsync(new EntryFilter(Id: "b")));
        var (count, lanes) = await store.ReviveAsync(new EntryFilter(Function: EntryStoreRig.Name(), IsDead: true));
        Assert.Equal((1, new LaneKey(Lane, Entry.CallKind, EntryStoreRig.Name())), (count, Assert.Single(lanes)));
        Assert.Equal("c", Assert.Single(await store.ClaimAsync(Lane, false, 10, folder.Lease())).Entry.Id);
        Assert.Equal(0, await store.DropAsync(new EntryFilter(Id: "c"))); // it runs
        Assert.Equal((1, 0), (store.Usage.Of(EntryStoreRig.Name()).Calls, store.Usage.Of(EntryStoreRig.Name()).DeadCalls));
    }

    [Fact]
    public async Task Dead_letters_are_forgotten_when_their_time_is_over()
    {
        await Store.AddAsync([_rig.Call("a")]);
        await Store.EndAsync(Assert.Single(await Store.ClaimAsync(Lane, false, 10, _rig.Lease())), new Ending.Dead(500, "no", []));
        await Store.SweepAsync();
        Assert.Single(await Store.ListAsync(new EntryFilter(), 10));
        await _rig.AdvanceAsync(_rig.Limits.KeepDead + TimeSpan.FromSeconds(1));
        await Store.SweepAsync();
        Assert.Empty(await Store.ListAsync(new EntryFilter(), 10));
        Assert.Equal(0, Store.Usage.Bytes);
    }

    [Fact]
    public async Task A_removed_functions_calls_become_dead_letters_but_results_on_their_way_do_not()
    {
        await Store.AddAsync([_rig.Call("a"), _rig.Call("runs"), _rig.Call("x", "g"), _rig.Result("r")]);
        var order = await Store.ClaimAsync(Lane, ordered: false, 1, _rig.Lease());
        Assert.Equal(1, await Store.BuryCallsAsync(EntryStoreRig.Name(), "gone"));
        Assert.Equal("a", order[0].Entry.Id);
        var dead = Assert.Single(await Store.ListAsync(new EntryFilter(IsDead: true), 10));
        Assert.Equal(("runs", "gone"), (dead.Id, dead.Reason));
        Assert.Equal(3, (await Store.ListAsync(new EntryFilter(IsDead: false), 10)).Count);
    }

    [Fact]
    public async Task A_long_body_is_a_file_that_goes_with_its_entry()
    {
        var body = Enumerable.Range(0, 300_000).Select(static i => (byte)i).ToArray();
        var (name, length) = (await _rig.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(body)), long.MaxValue))!.Value;
        Assert.Equal(body.Length, length);
        await Store.AddAsync([_rig.Call("a", body: [], file: name, keepsId: false)]);
        await _rig.ReopenAsync();
        var claimed = Assert.Single(await Store.ClaimAsync(Lane, false, 1, _rig.Lease()));
        await using (var read = await _rig.Bodies.OpenAsync(claimed.Entry.File!))
        {
            var all = new byte[read.Length];
            await read.ReadExactlyAsync(all);
            Assert.Equal(body, all);
        }
        await Store.EndAsync(claimed, new Ending.Done([]));
        Assert.Equal(0, await _rig.CountBodiesAsync());
        await Assert.ThrowsAnyAsync<IOException>(() => _rig.Bodies.OpenAsync(claimed.Entry.File!));
    }

    [Fact]
    public async Task A_body_that_is_too_long_is_not_kept_and_the_copy_of_a_known_call_is_not_either()
    {
        Assert.Null(await BodyAsync(99));
        Assert.Equal(0, await _rig.CountBodiesAsync());
        var (first, second) = (await BodyAsync(100), await BodyAsync(100));
        Assert.Equal([Addition.Added], await Store.AddAsync([_rig.Call("a", file: first)]));
        Assert.Equal([Addition.Known], await Store.AddAsync([_rig.Call("a", file: second)]));
        Assert.Equal(1, await _rig.CountBodiesAsync());
        Assert.Equal(1, await Store.DropAsync(new EntryFilter(Id: "a")));
        Assert.Equal(0, await _rig.CountBodiesAsync());

        async Task<string?> BodyAsync(long room) => (await _rig.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[100])), room))?.Name;
    }

    [Fact]
    public async Task Reasons_may_hold_anything()
    {
        await Store.AddAsync([_rig.Call("a")]);
        await Store.EndAsync(Assert.Single(await Store.ClaimAsync(Lane, false, 10, _rig.Lease())), new Ending.Dead(500, "it said '; drop table -- \0 \ud800", []));
        Assert.StartsWith("it said '; drop table -- ", Assert.Single(await Store.ListAsync(new EntryFilter(), 10)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lanes_with_something_to_be_done_are_known_and_those_where_it_has_waited()
    {
        await Store.AddAsync([_rig.Call("a"), _rig.Call("b"), _rig.Call("a", "g"), _rig.Result("r")]);
        Assert.Equal(["call:f", "call:g", "kind:t"], (await Store.LanesAsync()).Select(static lane => lane.Lane).Order(StringComparer.Ordinal));
        Assert.Empty(await Store.LanesAsync(Hour));
        await Store.ClaimAsync("call:g", false, 10, _rig.Lease("me", 36_000));
        await _rig.AdvanceAsync(2 * Hour);
        Assert.Equal([new LaneKey(Lane, Entry.CallKind, EntryStoreRig.Name()), new LaneKey("kind:t", "kind", EntryStoreRig.Name())], (await Store.LanesAsync(Hour)).OrderBy(static lane => lane.Lane, StringComparer.Ordinal));
        Assert.Equal(3, (await Store.LanesAsync()).Count);
    }

    [Fact]
    public async Task Many_at_once_are_all_kept_each_once()
    {
        var ids = Enumerable.Range(0, 200).Select(static i => $"{i:000}").ToList();
        var additions = await Task.WhenAll(ids.Concat(ids).Select(id => Store.AddAsync([_rig.Call(id)])));
        Assert.Equal(200, additions.Count(static one => one[0] == Addition.Added));
        Assert.Equal(200, Store.Usage.Of(EntryStoreRig.Name()).Calls);
        var claimed = new List<Claimed>();
        while (await Store.ClaimAsync(Lane, ordered: false, 64, _rig.Lease()) is { Count: > 0 } some) claimed.AddRange(some);
        Assert.Equal(ids, claimed.Select(static one => one.Entry.Id).Order(StringComparer.Ordinal));
        await Task.WhenAll(claimed.Select(one => Store.EndAsync(one, new Ending.Done([]))));
        Assert.Equal((0, 0), (Store.Usage.Of(EntryStoreRig.Name()).Calls, Store.Usage.Bytes));
        Assert.Empty(await Store.LanesAsync());
    }

    [Fact]
    public async Task A_claim_takes_no_more_bodies_into_memory_than_a_mebibyte_and_one()
    {
        for (var i = 0; i < 6; i++) await Store.AddAsync([_rig.Call($"{i}", body: new byte[400_000])]);
        Assert.Equal(["0", "1", "2"], (await Store.ClaimAsync(Lane, ordered: true, 10, _rig.Lease())).Select(static one => one.Entry.Id));
    }

    private static async Task<IEnumerable<string>> IdsAsync(IEntryStore store) => (await store.ListAsync(new EntryFilter(), 100)).Select(static view => view.Id);

    // The server's clock goes on by itself.
    private static void AssertAbout(TimeSpan expected, TimeSpan? actual) => Assert.InRange(actual ?? default, expected - TimeSpan.FromMinutes(30), expected);
}
