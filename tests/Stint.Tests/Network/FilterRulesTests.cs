using Stint.Network;
using Stint.Tests.Functions;

namespace Stint.Tests.Network;

/// <summary>The rules as a text, compared with a file that people have read, and taken by the kernel.</summary>
public sealed class FilterRulesTests
{
    private static readonly FilterSettings Plain = new() { Daemon = "0123456789ab", Group = 1000, TapGroup = 1001, Subnet = NetworkOptions.DefaultSubnet, NameServers = [0xc0a80101], Uplinks = ["eth0"] };

    private static readonly FilterSettings Full = Plain with
    {
        Allowed = [new AllowedTarget(new Ipv4Subnet(0xc0a80105, 32), 8000), new AllowedTarget(new Ipv4Subnet(0xc0a80000, 16), 53)],
        Uplinks = ["eth0", "br-lan.7"],
        NotForwarded = ["eth0", "eth1"],
        CallbackPort = 3000,
    };

    [Fact]
    public void The_rules_are_those_that_were_read()
    {
        GeneratedPage.AssertCurrent(FilterRules.Table(Plain), Golden("filter.nft"));
        GeneratedPage.AssertCurrent(FilterRules.Table(Full), Golden("filter-full.nft"));
        GeneratedPage.AssertCurrent(UserFilterRules.Write([new Ipv4Subnet(0xc0a80105, 32), new Ipv4Subnet(0xac110000, 16)], Full.Allowed.ToArray(), [0x0a640003]), Golden("filter-user.nft"));
    }

    [Fact]
    public async Task The_kernel_takes_them_again_and_again_and_removes_them()
    {
        using var space = await NetworkNamespace.MakeAsync();
        foreach (var rules in new[] { FilterRules.Removal("0123456789ab"), FilterRules.Table(Plain), FilterRules.Table(Full), FilterRules.Table(Full, countsConnections: false), FilterRules.Table(Plain) })
            await InNamespace.NftAsync(space, rules);
        await InNamespace.NftAsync(space, FilterRules.Removal("0123456789ab"));
        await InNamespace.NftAsync(space, UserFilterRules.Write([new Ipv4Subnet(0xc0a80105, 32)], [], [0x0a640003]));
    }

    [Theory]
    [InlineData("a b"), InlineData("x\" } }"), InlineData("a;b"), InlineData("$x"), InlineData("é"), InlineData("")]
    public void A_link_whose_name_is_no_word_is_left_out(string name)
    {
        var rules = FilterRules.Table(Plain with { Uplinks = [name, "eth0"], NotForwarded = [name] });
        Assert.Contains("elements = { \"eth0\" }", rules, StringComparison.Ordinal);
        Assert.DoesNotContain("not_forwarded", rules, StringComparison.Ordinal);
    }

    [Fact]
    public void Own_addresses_and_networks_behind_bridges_are_the_hosts()
    {
        var routes = new[]
        {
            new NetworkRouteOf("0.0.0.0/0", 2), new NetworkRouteOf("192.168.1.0/24", 2), new NetworkRouteOf("172.17.0.0/16", 3), new NetworkRouteOf("10.8.0.0/24", 4),
            new NetworkRouteOf("192.168.1.5/32", 2, Stint.Network.Netlink.NetworkRoute.Own), new NetworkRouteOf("127.0.0.0/8", 1, Stint.Network.Netlink.NetworkRoute.Own),
        }.Select(static route => route.Make()).ToList();
        Stint.Network.Netlink.Link[] links = [new(1, "lo", "", "", 0, 65536, 0, true), new(2, "br0", "bridge", "", 0, 1500, 0, true), new(3, "docker0", "bridge", "", 0, 1500, 0, true), new(4, "wg0", "wireguard", "", 0, 1420, 0, true)];
        Assert.Equal(["172.17.0.0/16", "192.168.1.5/32", "127.0.0.0/8"], UserFilterRules.OfHost(routes, links).Select(static subnet => subnet.ToString()));
    }

    private static string[] Golden(string name) => ["tests", "Stint.Tests", "Network", "Golden", name];

    private sealed record NetworkRouteOf(string Destination, int Link, byte Kind = Stint.Network.Netlink.NetworkRoute.Ordinary)
    {
        public Stint.Network.Netlink.NetworkRoute Make()
        {
            Assert.True(Ipv4Subnet.TryParse(Destination, out var subnet));
            return new Stint.Network.Netlink.NetworkRoute(subnet, 0, Link, Stint.Network.Netlink.NetworkRoute.MainTable, Kind, 0);
        }
    }
}
