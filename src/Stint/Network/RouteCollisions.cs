using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>Finds what a host already has where instances' addresses should be: those hosts would no longer be reachable.</summary>
internal static class RouteCollisions
{
    // 0.0.0.0/0, and the two halves that VPNs put over it: those lead everywhere.
    private const int LongestDefault = 1;

    /// <summary>The first route that collides with a subnet, in words; null when there is none.</summary>
    public static string? Find(IEnumerable<NetworkRoute> routes, IEnumerable<Link> links, Ipv4Subnet subnet)
    {
        // Routes that refuse (blackhole, unreachable) lead nowhere that could be missed.
        var collision = routes.FirstOrDefault(route => route.Kind is NetworkRoute.Ordinary or NetworkRoute.Own && route.Destination.PrefixLength > LongestDefault && route.Destination.Overlaps(subnet));
        if (collision is null) return null;
        var link = links.FirstOrDefault(link => link.Index == collision.LinkIndex);
        var over = collision.Gateway == 0 ? "" : $" via {Ipv4Subnet.Text(collision.Gateway)}";
        return (collision.Kind == NetworkRoute.Own ? $"this host's address {Ipv4Subnet.Text(collision.Destination.First)}" : $"the route {collision.Destination}{over}") + (link is null ? "" : $" dev {link.Name}");
    }
}
