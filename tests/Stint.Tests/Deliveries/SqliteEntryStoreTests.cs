using System.Buffers;
using System.IO.Pipelines;
using Stint.Deliveries.Storage;
using Stint.Deliveries.Storage.Sqlite;
using Stint.Tests.Time;

namespace Stint.Tests.Deliveries;

public sealed class SqliteEntryStoreTests : IAsyncLifetime
{
    private const string Lane = "call:f";
    private readonly FakeTime _time = new();
    private StoreFolder _folder = null!;

    private SqliteEntryStore Store => _folder.Store;

    public Task InitializeAsync()
    {
        _folder = new StoreFolder(_time);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync() => await _folder.DisposeAsync();

    [Fact]
    public async Task What_was_added_is_on_disk_when_the_task_ends_whatever_happens_to_the_process()
    {
        Assert.Equal([Addition.Added], await Store.AddAsync([_folder.Call("a", body: [4, 5, 6])]));
        await using var copy = _folder.OpenCopy();
        var claimed = Assert.Single(await copy.ClaimAsync(Lane, ordered: false, 10, _folder.Lease()));
        Assert.Equal(("a", 1, 0), (claimed.Entry.Id, claimed.Attempts, claimed.Failures));
        Assert.Equal([4, 5, 6], claimed.Entry.Body.ToArray());
        Assert.Equal([1, 2, 3], claimed.Entry.Head);
    }

    [Fact]
    public async Task A_call_and_what_follows_it_end_together()
    {
        await Store.AddAsync([_folder.Call("a")]);
        var claimed = Assert.Single(await Store.ClaimAsync(Lane, false, 10, _folder.Lease()));
        await using (var before = _folder.OpenCopy())
        {
            Assert.Equal(["a"], await IdsAsync(before));
        }
        Assert.Equal([Addition.Added], await Store.EndAsync(claimed.Number, new Ending.Done([_folder.Result("r")])));
        await using var after = _folder.OpenCopy();
        Assert.Equal(["r"], await IdsAsync(after));
    }

    [Fact]
    public async Task An_identity_that_is_known_is_not_added_again_until_it_has_been_forgotten()
    {
        await Store.AddAsync([_folder.Call("a"), _folder.Call("own", keepsId: false)]);
        Assert.Equal([Addition.Known, Addition.Known, Addition.Added], await Store.AddAsync([_folder.Call("a"), _folder.Call("own", keepsId: false), _folder.Call("a", "g")]));
        var claimed = await Store.ClaimAsync(Lane, false, 10, _folder.Lease());
        Assert.Equal([Addition.Known], await Store.AddAsync([_folder.Call("a")]));
        foreach (var one in claimed) await Store.EndAsync(one.Number, new Ending.Done([]));
        // The caller's own is remembered; one that we made up means nothing any more.
        Assert.Equal([Addition.Known, Addition.Added], await Store.AddAsync([_folder.Call("a"), _folder.Call("own", keepsId: false)]));
        await _folder.ReopenAsync();
        Assert.Equal([Addition.Known], await Store.AddAsync([_folder.Call("a")]));
        _time.Advance(_folder.Limits.KeepIds + TimeSpan.FromSeconds(1));
        await Store.SweepAsync();
        Assert.Equal([Addition.Added], await Store.AddAsync([_folder.Call("a")]));
    }

    [Fact]
    public async Task A_dead_letter_that_is_sent_again_lives_again()
    {
        await Store.AddAsync([_folder.Call("a")]);
        var first = Assert.Single(await Store.ClaimAsync(Lane, false, 10, _folder.Lease()));
        await Store.EndAsync(first.Number, new Ending.Dead(500, "why", []));
        Assert.Empty(await Store.ClaimAsync(Lane, false, 10, _folder.Lease()));
        Assert.Equal([Addition.Added], await Store.AddAsync([_folder.Call("a")]));
        Assert.Equal(1, Assert.Single(await Store.ClaimAsync(Lane, false, 10, _folder.Lease())).Attempts);
        Assert.Equal((1, 0), (Store.Usage.Of(StoreFolder.Name()).Calls, Store.Usage.Of(StoreFolder.Name()).DeadCalls));
    }

    [Fact]
    public async Task A_claim_holds_until_its_lease_ends_unless_it_is_renewed()
    {
        await Store.AddAsync([_folder.Call("a")]);
        var claimed = Assert.Single(await Store.ClaimAsync(Lane, false, 10, _folder.Lease("first", 60)));
        _time.Advance(TimeSpan.FromSeconds(50));
        Assert.Empty(await Store.ClaimAsync(Lane, false, 10, _folder.Lease("second")));
        await Store.RenewAsync([claimed.Number], _folder.Lease("first", 60));
        _time.Advance(TimeSpan.FromSeconds(50));
        Assert.Empty(await Store.ClaimAsync(Lane, false, 10, _folder.Lease("second")));
        // Somebody else's renewal is none.
        await Store.RenewAsync([claimed.Number], _folder.Lease("second", 600));
        Assert.Equal(TimeSpan.FromSeconds(10), await Store.NextDueAsync(Lane, false) - _time.GetUtcNow());
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(2, Assert.Single(await Store.ClaimAsync(Lane, false, 10, _folder.Lease("second"))).Attempts);
    }

    [Fact]
    public async Task The_next_run_takes_over_what_an_earlier_one_had_claimed()
    {
        await Store.AddAsync([_folder.Call("a")]);
        await Store.ClaimAsync(Lane, false, 10, _folder.Lease());
        await using var next = _folder.OpenCopy();
        Assert.Equal("a", Assert.Single(await next.ClaimAsync(Lane, false, 10, _folder.Lease("next"))).Entry.Id);
    }

    [Fact]
    public async Task In_order_what_is_not_due_holds_up_what_comes_after_it_and_otherwise_not()
    {
        await Store.AddAsync([_folder.Call("a"), _folder.Call("b"), _folder.Call("c")]);
        var first = (await Store.ClaimAsync(Lane, ordered: true, 1, _folder.Lease()))[0];
        Assert.Equal("a", first.Entry.Id);
        Assert.Empty(await Store.ClaimAsync(Lane, ordered: true, 10, _folder.Lease()));
        await Store.EndAsync(first.Number, new Ending.Later(_time.GetUtcNow() + TimeSpan.FromSeconds(5), true, 503, "busy"));
        Assert.Empty(await Store.ClaimAsync(Lane, ordered: true, 10, _folder.Lease()));
        Assert.Equal(TimeSpan.FromSeconds(5), await Store.NextDueAsync(Lane, ordered: true) - _time.GetUtcNow());
        var others = await Store.ClaimAsync(Lane, ordered: false, 10, _folder.Lease());
        Assert.Equal(["b", "c"], others.Select(static one => one.Entry.Id));
        foreach (var other in others) await Store.EndAsync(other.Number, new Ending.Untried());
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(["a", "b", "c"], (await Store.ClaimAsync(Lane, ordered: true, 10, _folder.Lease())).Select(static one => one.Entry.Id));
    }

    [Fact]
    public async Task Tries_and_failures_are_counted_apart_and_an_untried_one_counts_for_nothing()
    {
        await Store.AddAsync([_folder.Call("a")]);
        async Task<Claimed> NextAsync() => Assert.Single(await Store.ClaimAsync(Lane, false, 10, _folder.Lease()));
        await Store.EndAsync((await NextAsync()).Number, new Ending.Later(_time.GetUtcNow(), IsFailure: false, null, "shed"));
        await Store.EndAsync((await NextAsync()).Number, new Ending.Later(_time.GetUtcNow(), IsFailure: true, 500, "failed"));
        await Store.EndAsync((await NextAsync()).Number, new Ending.Untried());
        var last = await NextAsync();
        Assert.Equal((3, 1), (last.Attempts, last.Failures));
        var view = Assert.Single(await Store.ListAsync(new EntryFilter(), 10));
        Assert.Equal((500, "failed", true), (view.Status, view.Reason, view.IsRunning));
    }

    [Fact]
    public async Task A_function_that_has_too_much_waiting_is_refused_and_others_are_not()
    {
        await using var folder = new StoreFolder(_time, new StoreLimits { Calls = 2, Deliveries = 1, FunctionBytes = 1000, Bytes = 1500, Reserve = 0 });
        Assert.Equal([Addition.Added, Addition.Added, Addition.TooMany, Addition.Added], await folder.Store.AddAsync([folder.Call("1"), folder.Call("2"), folder.Call("3"), folder.Call("1", "g")]));
        Assert.Equal([Addition.Added, Addition.TooMany], await folder.Store.AddAsync([folder.Result("1"), folder.Result("2")]));
        Assert.Equal([Addition.TooMany, Addition.Added, Addition.TooMany], await folder.Store.AddAsync([folder.Call("a", "h", body: new byte[1000]), folder.Call("b", "h", body: new byte[900]), folder.Call("c", "i", body: new byte[900])]));
        var claimed = await folder.Store.ClaimAsync(Lane, false, 1, folder.Lease());
        await folder.Store.EndAsync(claimed[0].Number, new Ending.Done([]));
        Assert.Equal([Addition.Added], await folder.Store.AddAsync([folder.Call("3")]));
        await folder.ReopenAsync();
        Assert.Equal([Addition.TooMany], await folder.Store.AddAsync([folder.Call("4")]));
        Assert.Equal(2, folder.Store.Usage.Of(StoreFolder.Name()).Calls);
    }

    [Fact]
    public async Task Dead_letters_are_listed_revived_dropped_and_the_oldest_of_too_many_go()
    {
        await using var folder = new StoreFolder(_time, new StoreLimits { MaxDead = 2, Reserve = 0 });
        var store = folder.Store;
        await store.AddAsync([folder.Call("a"), folder.Call("b"), folder.Call("c")]);
        foreach (var one in await store.ClaimAsync(Lane, false, 10, folder.Lease()))
        {
            await store.EndAsync(one.Number, new Ending.Dead(500, "no", []));
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        var dead = await store.ListAsync(new EntryFilter(IsDead: true), 10);
        Assert.Equal(["b", "c"], dead.Select(static view => view.Id));
        Assert.All(dead, static view => Assert.Equal((true, 500, "no", 1), (view.IsDead, view.Status, view.Reason, view.Attempts)));
        Assert.Equal(1, await store.DropAsync(new EntryFilter(Id: "b")));
        var (count, lanes) = await store.ReviveAsync(new EntryFilter(Function: StoreFolder.Name(), IsDead: true));
        Assert.Equal((1, new LaneKey(Lane, Entry.CallKind, StoreFolder.Name())), (count, Assert.Single(lanes)));
        Assert.Equal("c", Assert.Single(await store.ClaimAsync(Lane, false, 10, folder.Lease())).Entry.Id);
        Assert.Equal(0, await store.DropAsync(new EntryFilter(Id: "c"))); // it runs
        Assert.Equal((1, 0), (store.Usage.Of(StoreFolder.Name()).Calls, store.Usage.Of(StoreFolder.Name()).DeadCalls));
    }

    [Fact]
    public async Task Dead_letters_are_forgotten_when_their_time_is_over()
    {
        await Store.AddAsync([_folder.Call("a")]);
        await Store.EndAsync(Assert.Single(await Store.ClaimAsync(Lane, false, 10, _folder.Lease())).Number, new Ending.Dead(500, "no", []));
        await Store.SweepAsync();
        Assert.Single(await Store.ListAsync(new EntryFilter(), 10));
        _time.Advance(_folder.Limits.KeepDead + TimeSpan.FromSeconds(1));
        await Store.SweepAsync();
        Assert.Empty(await Store.ListAsync(new EntryFilter(), 10));
        Assert.Equal(0, Store.Usage.Bytes);
    }

    [Fact]
    public async Task A_removed_functions_calls_become_dead_letters_but_results_on_their_way_do_not()
    {
        await Store.AddAsync([_folder.Call("a"), _folder.Call("runs"), _folder.Call("x", "g"), _folder.Result("r")]);
        var order = await Store.ClaimAsync(Lane, ordered: false, 1, _folder.Lease());
        Assert.Equal(1, await Store.BuryCallsAsync(StoreFolder.Name(), "gone"));
        Assert.Equal("a", order[0].Entry.Id);
        var dead = Assert.Single(await Store.ListAsync(new EntryFilter(IsDead: true), 10));
        Assert.Equal(("runs", "gone"), (dead.Id, dead.Reason));
        Assert.Equal(3, (await Store.ListAsync(new EntryFilter(IsDead: false), 10)).Count);
    }

    [Fact]
    public async Task A_long_body_is_a_file_that_goes_with_its_entry()
    {
        var body = Enumerable.Range(0, 300_000).Select(static i => (byte)i).ToArray();
        var (name, length) = (await _folder.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(body)), long.MaxValue))!.Value;
        Assert.Equal(body.Length, length);
        await Store.AddAsync([_folder.Call("a", body: [], file: name, keepsId: false)]);
        await _folder.ReopenAsync();
        var claimed = Assert.Single(await Store.ClaimAsync(Lane, false, 1, _folder.Lease()));
        using (var read = _folder.Bodies.Open(claimed.Entry.File!))
        {
            var all = new byte[read.Length];
            read.ReadExactly(all);
            Assert.Equal(body, all);
        }
        await Store.EndAsync(claimed.Number, new Ending.Done([]));
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_folder.Folder, "bodies")));
    }

    [Fact]
    public async Task Files_that_no_entry_names_are_removed_at_the_next_start_and_those_of_known_calls_at_once()
    {
        Assert.Null(await _folder.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[100])), 99));
        var (first, _) = (await _folder.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[100])), 100))!.Value;
        var (second, _) = (await _folder.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[100])), 100))!.Value;
        var (stray, _) = (await _folder.Bodies.WriteAsync(PipeReader.Create(new ReadOnlySequence<byte>(new byte[100])), 100))!.Value;
        Assert.Equal([Addition.Added], await Store.AddAsync([_folder.Call("a", file: first)]));
        Assert.Equal([Addition.Known], await Store.AddAsync([_folder.Call("a", file: second)]));
        Assert.Equal(new[] { first, stray }.Order(), Files());
        await _folder.ReopenAsync();
        Assert.Equal([first], Files());

        IEnumerable<string> Files() => Directory.EnumerateFiles(Path.Combine(_folder.Folder, "bodies")).Select(static path => Path.GetFileName(path)).Order();
    }

    [Fact]
    public async Task A_claim_takes_no_more_bodies_into_memory_than_a_mebibyte_and_one()
    {
        for (var i = 0; i < 6; i++) await Store.AddAsync([_folder.Call($"{i}", body: new byte[400_000])]);
        Assert.Equal(["0", "1", "2"], (await Store.ClaimAsync(Lane, ordered: true, 10, _folder.Lease())).Select(static one => one.Entry.Id));
    }

    private static async Task<IEnumerable<string>> IdsAsync(SqliteEntryStore store) => (await store.ListAsync(new EntryFilter(), 100)).Select(static view => view.Id);
}
