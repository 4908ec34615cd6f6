using System.Collections.Concurrent;
using Stint.Cluster.Store;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Store;

[Collection(TestPostgres.Collection)]
public sealed class ChangeFeedTests(TestPostgres postgres)
{
    [Fact]
    public async Task A_change_of_another_gateway_is_reported_without_waiting_for_the_next_look()
    {
        await using var one = await postgres.OpenStoreAsync();
        await using var other = new ClusterStore(one.Address);
        var seen = new ConcurrentQueue<StorePosition>();
        using var stop = new CancellationTokenSource();
        // An hour: what is seen is seen by notification.
        var running = new ChangeFeed(one, TimeSpan.FromHours(1), TimeProvider.System).RunAsync(position =>
        {
            seen.Enqueue(position);
            return Task.CompletedTask;
        }, static _ => { }, stop.Token);
        await Retry.UntilAsync("the feed listens", () => !seen.IsEmpty);
        var change = await other.Texts.PutAsync(null, TextTable.Modules, "shop", "{}"u8.ToArray(), default);
        await Retry.UntilAsync("the change is reported", () => seen.Any(position => position.Change == change));
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task A_server_that_goes_and_comes_back_is_noticed_and_what_changed_is_seen()
    {
        await using var store = await postgres.OpenStoreAsync();
        var seen = new ConcurrentQueue<StorePosition>();
        var away = new ConcurrentQueue<StoreException>();
        using var stop = new CancellationTokenSource();
        var running = new ChangeFeed(store, TimeSpan.FromSeconds(1), TimeProvider.System).RunAsync(position =>
        {
            seen.Enqueue(position);
            return Task.CompletedTask;
        }, away.Enqueue, stop.Token);
        await Retry.UntilAsync("the feed listens", () => !seen.IsEmpty);
        await postgres.StopAsync();
        try
        {
            await Retry.UntilAsync("it is noticed", () => !away.IsEmpty);
            Assert.Equal(StoreFault.Away, (await Assert.ThrowsAsync<StoreException>(() => store.PositionAsync(default))).Fault);
        }
        finally
        {
            await postgres.StartAsync();
        }
        long change = 0;
        await Retry.UntilAsync("the store answers", async () =>
        {
            try
            {
                change = await store.Texts.PutAsync(null, TextTable.Modules, "shop", "{}"u8.ToArray(), default);
                return true;
            }
            catch (StoreException)
            {
                return false;
            }
        });
        await Retry.UntilAsync("the change is reported", () => seen.Any(position => position.Change >= change));
        Assert.All(away, static failure => Assert.Equal(StoreFault.Away, failure.Fault));
        await stop.CancelAsync();
        await running;
    }
}
