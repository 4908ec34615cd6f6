using Stint.Network;
using Stint.Network.Netlink;

namespace Stint.Tests.Network;

/// <summary>What of a host's routes is in the way.</summary>
public sealed class RouteCollisionsTests
{
    private static readonly Link[] Links = [new(2, "eth0", "", "", 0, 1500, 0, true), new(3, "wg0", "wireguard", "", 0, 1420, 0, true)];

    [Theory]
    [InlineData("10.100.7.0/24", "192.168.1.1", 2, "the route 10.100.7.0/24 via 192.168.1.1 dev eth0")]
    [InlineData("10.0.0.0/8", "0.0.0.0", 3, "the route 10.0.0.0/8 dev wg0")]
    [InlineData("10.100.0.0/16", "0.0.0.0", 9, "the route 10.100.0.0/16")]
    public void A_route_that_overlaps_is_named(string destination, string gateway, int link, string expected) =>
        Assert.Equal(expected, Find(Route(destination, gateway, link)));

    [Fact]
    public void An_address_of_the_host_is_named() =>
        Assert.Equal("this host's address 10.100.3.4 dev eth0", Find(Route("10.100.3.4/32", "0.0.0.0", 2) with { Kind = NetworkRoute.Own, Table = NetworkRoute.LocalTable }));

    [Fact]
    public void Default_routes_others_and_such_as_lead_nowhere_are_not_in_the_way() => Assert.Null(Find(
        Route("0.0.0.0/0", "192.168.1.1", 2), Route("0.0.0.0/1", "10.8.0.1", 3), Route("128.0.0.0/1", "10.8.0.1", 3), Route("10.101.0.0/16", "0.0.0.0", 2), Route("192.168.1.0/24", "0.0.0.0", 2),
        Route("10.0.0.0/8", "0.0.0.0", 0) with { Kind = 6 }, // blackhole
        Route("10.100.255.255/32", "0.0.0.0", 2) with { Kind = 3 })); // broadcast

    private static string? Find(params NetworkRoute[] routes) => RouteCollisions.Find(routes, Links, NetworkOptions.DefaultSubnet);

    private static NetworkRoute Route(string destination, string gateway, int link)
    {
        Assert.True(Ipv4Subnet.TryParse(destination, out var subnet));
        Assert.True(Ipv4Subnet.TryParseAddress(gateway, out var address));
        return new NetworkRoute(subnet, address, link, NetworkRoute.MainTable, NetworkRoute.Ordinary, 0);
    }
}
