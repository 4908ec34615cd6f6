using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Store;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Store;

[Collection(TestPostgres.Collection)]
public sealed class LeaseTests(TestPostgres postgres)
{
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    [Fact]
    public async Task Of_many_one_holds_it_until_it_gives_it_back()
    {
        await using var store = await postgres.OpenStoreAsync();
        var terms = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => store.Leases.TakeAsync("job", $"node{i}", Long, default)));
        Assert.Equal(1, Assert.Single(terms.OfType<long>()));
        var holder = await store.Leases.HolderAsync("job", default);
        Assert.Equal(1, await store.Leases.TakeAsync("job", holder!, Long, default));
        Assert.Null(await store.Leases.TakeAsync("job", "another", Long, default));
        Assert.Equal(0, await store.Leases.ReleaseAsync("job", "another", default));
        Assert.Equal(1, await store.Leases.ReleaseAsync("job", holder!, default));
        Assert.Null(await store.Leases.HolderAsync("job", default));
        Assert.Equal(2, await store.Leases.TakeAsync("job", "another", Long, default));
    }

    [Fact]
    public async Task What_was_not_renewed_is_taken_over_with_the_next_term()
    {
        await using var store = await postgres.OpenStoreAsync();
        Assert.Equal(1, await store.Leases.TakeAsync("job", "dead", TimeSpan.FromMilliseconds(1), default));
        await Retry.UntilAsync("the lease has ended", async () => await store.Leases.HolderAsync("job", default) is null);
        Assert.Equal(2, await store.Leases.TakeAsync("job", "alive", Long, default));
    }

    [Fact]
    public async Task A_holder_hands_over_when_it_ends()
    {
        await using var store = await postgres.OpenStoreAsync();
        var one = new LeaseHolder(store.Leases, "job", "one", TimeSpan.FromSeconds(3), TimeProvider.System, NullLogger.Instance);
        await Retry.UntilAsync("one holds it", () => one.TryGet(out _, out _));
        Assert.True(one.TryGet(out var term, out var tenure));
        await using var other = new LeaseHolder(store.Leases, "job", "other", TimeSpan.FromSeconds(3), TimeProvider.System, NullLogger.Instance);
        await one.DisposeAsync();
        Assert.True(tenure.Value.IsCancellationRequested);
        Assert.False(one.TryGet(out _, out _));
        await Retry.UntilAsync("the other holds it", () => other.TryGet(out _, out _));
        Assert.True(other.TryGet(out var next, out _));
        Assert.Equal(term + 1, next);
    }

    [Fact]
    public async Task A_holder_that_does_not_reach_the_store_counts_itself_out_and_comes_back()
    {
        await using var store = await postgres.OpenStoreAsync();
        await using var holder = new LeaseHolder(store.Leases, "job", "one", TimeSpan.FromSeconds(2), TimeProvider.System, NullLogger.Instance);
        await Retry.UntilAsync("it holds it", () => holder.TryGet(out _, out _));
        await postgres.StopAsync();
        try
        {
            await Retry.UntilAsync("it counts itself out", () => !holder.TryGet(out _, out _));
        }
        finally
        {
            await postgres.StartAsync();
        }
        await Retry.UntilAsync("it holds it again", () => holder.TryGet(out _, out _));
    }
}
