using Stint.Cluster.Identity;
using Stint.Cluster.Store;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Store;

[Collection(TestPostgres.Collection)]
public sealed class NodeTests(TestPostgres postgres) : IDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("stint-node-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_machine_is_alive_while_it_renews_and_its_name_is_free_afterwards()
    {
        await using var store = await postgres.OpenStoreAsync();
        Assert.False(await store.Nodes.RenewAsync(Entry("one", "first"), Long, default));
        Assert.False(await store.Nodes.RenewAsync(Entry("one", "first") with { Report = """{"cpu":1}""" }, Long, default));
        Assert.Null(await store.Nodes.RenewAsync(Entry("one", "second"), Long, default));
        var state = Assert.Single(await store.Nodes.ListAsync(default));
        Assert.True(state.IsAlive);
        Assert.Equal(("first", """{"cpu":1}"""), (state.Node.Instance, state.Node.Report));

        Assert.False(await store.Nodes.RenewAsync(Entry("one", "first"), TimeSpan.FromMilliseconds(1), default));
        await Retry.UntilAsync("it counts as dead", async () => !(await store.Nodes.ListAsync(default))[0].IsAlive);
        Assert.False(await store.Nodes.RenewAsync(Entry("one", "second"), Long, default));
        Assert.Equal(0, await store.Nodes.LeaveAsync("one", "first", default));
        Assert.Equal(1, await store.Nodes.LeaveAsync("one", "second", default));
        Assert.Empty(await store.Nodes.ListAsync(default));
    }

    [Fact]
    public async Task A_machine_that_was_started_again_has_its_name_at_once_and_of_two_with_one_key_the_later_start_has_it()
    {
        await using var store = await postgres.OpenStoreAsync();
        using var authority = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());
        await store.Authority.NoteAsync(authority.Issue("one", NodeRole.Worker, NodeIdentity.Request(Path.Combine(_folder, "one"), "one"), TimeProvider.System.GetUtcNow()), default);
        Assert.True(await IsInAsync("first", "mine", 1000));
        // Another machine of that name, which nobody could have made while this one is alive; and one that does not say.
        Assert.False(await IsInAsync("other", "another", 2000));
        Assert.False(await IsInAsync("older", "", 0));
        // The same one, started again; the run before, if it lives after all, hears that it is not among them, however often it says so.
        Assert.True(await IsInAsync("second", "mine", 2000));
        Assert.False(await IsInAsync("first", "mine", 1000));
        Assert.False(await IsInAsync("first", "mine", 1000));
        Assert.True(await IsInAsync("second", "mine", 2000));
        Assert.Equal("second", Assert.Single(await store.Nodes.ListAsync(default)).Node.Instance);
        // Its certificate was renewed, and its program is an older one for a while: names are as before.
        Assert.False(await IsInAsync("third", "", 0));
        // Two of which nobody knows the key are not the same one.
        await store.UseAsync(connection => connection.ExecuteAsync("update stint.node set key = '', started = 0", [], default), default);
        Assert.False(await IsInAsync("third", "", 3000));

        async Task<bool> IsInAsync(string instance, string key, long started) =>
            (await store.Nodes.RenewAllAsync([Entry("one", instance) with { Key = key, Started = started }], Long, default)).Count == 0;
    }

    [Fact]
    public async Task A_machine_learns_with_its_next_renewal_that_it_is_to_drain()
    {
        await using var store = await postgres.OpenStoreAsync();
        await store.Nodes.RenewAsync(Entry("one", "first"), Long, default);
        Assert.True(await store.Nodes.SetDrainingAsync("one", true, default));
        Assert.False(await store.Nodes.SetDrainingAsync("two", true, default));
        Assert.True(await store.Nodes.RenewAsync(Entry("one", "first"), Long, default));
        await store.Nodes.SetDrainingAsync("one", false, default);
        Assert.False(await store.Nodes.RenewAsync(Entry("one", "first"), Long, default));
    }

    [Fact]
    public async Task The_authority_is_made_once_and_its_key_is_sealed()
    {
        await using var store = await postgres.OpenStoreAsync();
        var key = await StoreKey.OpenAsync(Path.Combine(_folder, "store.key"), store, default);
        Assert.Null(await store.Authority.FindAsync(key, default));
        using var one = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());
        using var other = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());
        Assert.True(await store.Authority.AddAsync(one, key, default));
        Assert.False(await store.Authority.AddAsync(other, key, default));
        using var found = await store.Authority.FindAsync(key, default);
        Assert.Equal(one.Fingerprint, found!.Fingerprint);
        var kept = await store.UseAsync(connection => connection.ValueAsync<byte[]>("select sealed_key from stint.authority", [], default), default);
        Assert.True(kept.AsSpan().IndexOf(one.ExportKey().AsSpan(20)) < 0);
    }

    [Fact]
    public async Task A_token_lets_in_as_many_as_it_says_however_many_come_at_once()
    {
        await using var store = await postgres.OpenStoreAsync();
        var token = JoinToken.Create(new string('a', 64));
        await store.Authority.AddTokenAsync(token, 3, Long, default);
        var tries = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => store.Authority.RedeemAsync(token, default)));
        Assert.Equal(3, tries.Count(static isIn => isIn));

        var any = JoinToken.Create(new string('a', 64));
        await store.Authority.AddTokenAsync(any, null, Long, default);
        for (var i = 0; i < 4; i++) Assert.True(await store.Authority.RedeemAsync(any, default));

        Assert.True(JoinToken.TryParse($"stint-join-1.{any.Fingerprint}.{any.Id}.{new string('0', 64)}", out var forged));
        Assert.False(await store.Authority.RedeemAsync(forged, default));
        var expired = JoinToken.Create(new string('a', 64));
        await store.Authority.AddTokenAsync(expired, null, TimeSpan.FromSeconds(-1), default);
        Assert.False(await store.Authority.RedeemAsync(expired, default));
        Assert.False(await store.Authority.RedeemAsync(JoinToken.Create(new string('a', 64)), default));
        Assert.DoesNotContain(any.Reveal().Split('.')[^1], await store.UseAsync(connection => connection.ValueAsync<string>("select string_agg(t::text, ' ') from stint.join_token t", [], default), default), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_certificates_of_a_removed_machine_are_revoked_and_others_are_not()
    {
        await using var store = await postgres.OpenStoreAsync();
        using var authority = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());
        var one = authority.Issue("one", NodeRole.Worker, NodeIdentity.Request(Path.Combine(_folder, "one"), "one"), TimeProvider.System.GetUtcNow());
        var two = authority.Issue("two", NodeRole.Worker, NodeIdentity.Request(Path.Combine(_folder, "two"), "two"), TimeProvider.System.GetUtcNow());
        await store.Authority.NoteAsync(one, default);
        var noted = await store.Authority.NoteAsync(two, default);
        await store.Nodes.RenewAsync(Entry("one", "first"), Long, default);
        Assert.Empty(await store.Authority.RevokedAsync(default));
        Assert.True(await store.Nodes.RemoveAsync("one", default));
        Assert.Equal([one.Serial], await store.Authority.RevokedAsync(default));
        Assert.Empty(await store.Nodes.ListAsync(default));
        Assert.True((await store.PositionAsync(default)).Change > noted);
        Assert.False(await store.Nodes.RemoveAsync("never", default));
    }

    private static NodeEntry Entry(string name, string instance) => new(name, instance, true, true, "10.0.0.1:7070", "{}", "{}");
}
