using System.Net;
using FsCheck;
using FsCheck.Fluent;
using Stint.Backends.Containers.Networks;

namespace Stint.Tests.Backends.Containers.Networks;

public sealed class SubnetPoolTests
{
    [Fact]
    public void Blocks_are_aligned_the_first_that_fit_and_given_again()
    {
        var pool = new SubnetPool([IPNetwork.Parse("10.101.0.0/24")]);
        Assert.Equal("10.101.0.0/28", $"{pool.TryTake(28, [])}");
        Assert.Equal("10.101.0.64/26", $"{pool.TryTake(26, [])}");
        Assert.Equal("10.101.0.16/28", $"{pool.TryTake(28, [])}");
        pool.Return(IPNetwork.Parse("10.101.0.0/28"));
        Assert.Equal("10.101.0.0/28", $"{pool.TryTake(28, [])}");
    }

    [Fact]
    public void What_others_have_is_passed_over()
    {
        var pool = new SubnetPool([IPNetwork.Parse("10.101.0.0/26")]);
        Assert.Equal("10.101.0.32/28", $"{pool.TryTake(28, [IPNetwork.Parse("10.101.0.8/30"), IPNetwork.Parse("10.101.0.31/32"), IPNetwork.Parse("192.168.0.0/16")])}");
        Assert.Null(pool.TryTake(28, [IPNetwork.Parse("10.0.0.0/8")]));
        Assert.Null(pool.TryTake(25, []));
    }

    [Fact]
    public void Further_ranges_come_when_the_first_is_full()
    {
        var pool = new SubnetPool([IPNetwork.Parse("10.101.0.0/28"), IPNetwork.Parse("10.102.0.0/27")]);
        Assert.Equal(["10.101.0.0/28", "10.102.0.0/28", "10.102.0.16/28", ""], Enumerable.Range(0, 4).Select(_ => $"{pool.TryTake(28, [])}"));
        Assert.Equal("10.101.0.0/28, 10.102.0.0/27", pool.Ranges);
    }

    [Fact]
    public void No_two_blocks_ever_have_an_address_in_common() => Prop.ForAll<int>(seed =>
    {
        var random = new System.Random(seed);
        var pool = new SubnetPool([IPNetwork.Parse("10.0.0.0/22"), IPNetwork.Parse("10.9.0.0/24")]);
        var taken = new List<IPNetwork>();
        for (var step = 0; step < 60; step++)
        {
            if (random.Next(3) == 0 && taken.Count > 0)
            {
                var back = taken[random.Next(taken.Count)];
                taken.Remove(back);
                pool.Return(back);
                continue;
            }
            var length = random.Next(23, 30);
            if (pool.TryTake(length, []) is { } block)
            {
                Assert.Equal(length, block.PrefixLength);
                Assert.DoesNotContain(taken, other => SubnetPool.Overlap(other, block));
                taken.Add(block);
            }
            else Assert.True(length < 30 && taken.Count > 0);
        }
    }).Check(Config.QuickThrowOnFailure.WithMaxTest(200));

    [Theory]
    [InlineData(1, 29)]
    [InlineData(5, 29)]
    [InlineData(6, 28)]
    [InlineData(13, 28)]
    [InlineData(14, 27)]
    [InlineData(2005, 21)]
    public void A_block_is_as_small_as_its_instances_allow(int instances, int length)
    {
        Assert.Equal(length, AddressPool.PrefixFor(instances));
        Assert.InRange(instances, 1, AddressPool.Room(new IPNetwork(IPAddress.Any, length)));
    }

    [Fact]
    public async Task Addresses_come_round_and_the_reserved_ones_never()
    {
        var pool = new AddressPool(IPNetwork.Parse("10.1.2.8/29"));
        var all = new List<string>();
        for (var i = 0; i < 5; i++) all.Add($"{await pool.TakeAsync(default)}");
        // .8 the network, .9 the gateway, .15 broadcast
        Assert.Equal(["10.1.2.10", "10.1.2.11", "10.1.2.12", "10.1.2.13", "10.1.2.14"], all);
        var waiting = pool.TakeAsync(default);
        Assert.False(waiting.IsCompleted);
        pool.Return(IPAddress.Parse("10.1.2.12"));
        pool.Return(IPAddress.Parse("10.1.2.10"));
        Assert.Equal("10.1.2.12", $"{await waiting}");
        Assert.Equal("10.1.2.10", $"{await pool.TakeAsync(default)}");
        using var limit = new CancellationTokenSource();
        var inVain = pool.TakeAsync(limit.Token);
        await limit.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(async () => await inVain);
    }

    [Fact]
    public void The_hosts_routes_are_read()
    {
        // A table of Linux 6.1 with a default route, a LAN, a bridge, a host route, and lines that are none.
        string[] table =
        [
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
            "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0",
            "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0",
            "br-1\t2000650A\t00000000\t0001\t0\t0\t0\tE0FFFFFF\t0\t0\t0",
            "tun0\t0100000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0",
            "tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0",
            "", "x", "odd\t0001A8C0\t0\t0\t0\t0\t0\t00FF00FF",
        ];
        Assert.Equal(["10.0.0.0/8", "10.0.0.1/32", "10.101.0.32/27", "192.168.1.0/24"], HostRoutes.Parse(table).Select(static network => network.ToString()).Order(StringComparer.Ordinal));
    }
}
