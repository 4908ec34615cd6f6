// The packet filter inside a network that a program of an ordinary user makes (slirp4netns, pasta). That program opens its connections as any program of that user, so what the host itself can reach is
// within reach: the filter has to stand at the other end, in the instance's own namespace, whose rules the instance cannot change because it has no capabilities there.
//
// The host's addresses are those of the moment at which the network is made; with a daemon that is root, the kernel knows at every packet.
using System.Text;
using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>Writes those rules.</summary>
internal static class UserFilterRules
{
    /// <summary>What nobody's function reaches: networks of nobody, loopbacks, link-local, several at once.</summary>
    private static readonly string[] Never = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"];

    /// <summary>A script for <c>nft -f</c>.</summary>
    /// <param name="closed">The host's own addresses and networks.</param>
    /// <param name="allowed">Exceptions.</param>
    /// <param name="nameServers">Reachable at port 53, whatever they are.</param>
    public static string Write(IReadOnlyCollection<Ipv4Subnet> closed, IReadOnlyCollection<AllowedTarget> allowed, IReadOnlyCollection<uint> nameServers)
    {
        var text = new StringBuilder("table inet stint {\n    chain output {\n        type filter hook output priority filter; policy accept;\n        oifname \"lo\" accept\n        meta nfproto != ipv4 drop\n");
        foreach (var target in allowed) text.Append(System.Globalization.CultureInfo.InvariantCulture, $"        meta l4proto {{ tcp, udp }} ip daddr {target.Addresses} th dport {target.Port} accept\n");
        foreach (var server in nameServers) text.Append(System.Globalization.CultureInfo.InvariantCulture, $"        meta l4proto {{ tcp, udp }} ip daddr {Ipv4Subnet.Text(server)} th dport 53 accept\n");
        foreach (var destination in Never.Concat(closed.Select(static subnet => subnet.ToString())).Distinct())
            text.Append(System.Globalization.CultureInfo.InvariantCulture, $"        ip daddr {destination} meta l4proto tcp reject with tcp reset\n        ip daddr {destination} reject with icmp type admin-prohibited\n");
        return text.Append("    }\n}\n").ToString();
    }

    /// <summary>The host's own addresses, and the networks that live on it behind its bridges (Docker's).</summary>
    public static IReadOnlyList<Ipv4Subnet> OfHost(IReadOnlyList<NetworkRoute> routes, IReadOnlyList<Link> links)
    {
        var uplinks = routes.Where(static route => route is { Kind: NetworkRoute.Ordinary, Destination.PrefixLength: <= 1 }).Select(static route => route.LinkIndex).ToHashSet();
        var inner = links.Where(link => link.Kind is "bridge" or "veth" && !uplinks.Contains(link.Index)).Select(static link => link.Index).ToHashSet();
        return [.. routes.Where(route => route.Kind == NetworkRoute.Own || (route.Kind == NetworkRoute.Ordinary && inner.Contains(route.LinkIndex))).Select(static route => route.Destination).Distinct()];
    }
}
