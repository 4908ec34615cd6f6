using Stint.Network;

namespace Stint.Tests.Network;

/// <summary>Things made ahead.</summary>
public sealed class StockTests
{
    private readonly Lock _lock = new();
    private readonly List<string> _discarded = [];
    private readonly List<string> _reported = [];
    private int _made;

    [Fact]
    public async Task Nothing_is_made_before_the_first_is_taken()
    {
        await using var stock = Make(3);
        Assert.Equal(0, Volatile.Read(ref _made));
        await stock.TakeAsync();
        await UntilAsync(() => stock.Ready == 3);
        Assert.Equal(4, Volatile.Read(ref _made));
    }

    [Fact]
    public async Task What_is_ready_is_taken_and_replaced()
    {
        await using var stock = Make(1);
        await stock.TakeAsync();
        await UntilAsync(() => stock.Ready == 1);
        Assert.Equal("2", await stock.TakeAsync());
        await UntilAsync(() => stock.Ready == 1 && Volatile.Read(ref _made) == 3);
    }

    [Fact]
    public async Task With_no_size_each_is_made_for_its_taker()
    {
        await using var stock = Make(0);
        Assert.Equal("1", await stock.TakeAsync());
        Assert.Equal("2", await stock.TakeAsync());
        stock.Return("1");
        Assert.Equal(["1"], _discarded);
    }

    [Fact]
    public async Task One_that_comes_back_is_used_again_and_no_more_are_kept_than_wanted()
    {
        await using var stock = Make(1);
        var first = await stock.TakeAsync();
        await UntilAsync(() => stock.Ready == 1);
        stock.Return(first);
        Assert.Equal(["1"], _discarded);
        Assert.Equal(1, stock.Ready);
    }

    [Fact]
    public async Task At_the_end_all_that_nobody_has_are_discarded_and_no_more_are_made()
    {
        var stock = Make(2);
        var held = await stock.TakeAsync();
        await UntilAsync(() => stock.Ready == 2);
        await stock.DisposeAsync();
        Assert.Equal(["2", "3"], _discarded.Order());
        stock.Return(held);
        Assert.Contains("1", _discarded);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await stock.TakeAsync());
        Assert.Equal(3, _made);
    }

    [Fact]
    public async Task A_failure_is_the_takers_and_in_the_background_it_is_reported()
    {
        await using var stock = new Stock<string>(2, () => Task.FromException<string>(new NetworkUnavailableException("no room")), _ => { }, failure =>
        {
            lock (_lock) _reported.Add(failure.Message);
        });
        Assert.Equal("no room", (await Assert.ThrowsAsync<NetworkUnavailableException>(async () => await stock.TakeAsync())).Message);
        await UntilAsync(() =>
        {
            lock (_lock) return _reported.SequenceEqual(["no room", "no room"]);
        });
    }

    [Fact]
    public async Task Many_takers_at_once_get_different_ones()
    {
        await using var stock = Make(4);
        var taken = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(async () => await stock.TakeAsync())));
        Assert.Equal(200, taken.Distinct().Count());
    }

    private Stock<string> Make(int size) => new(size, () => Task.FromResult($"{Interlocked.Increment(ref _made)}"), item =>
    {
        lock (_lock) _discarded.Add(item);
    }, _ => { });

    private static async Task UntilAsync(Func<bool> condition)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(30), "waited in vain");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }
}
