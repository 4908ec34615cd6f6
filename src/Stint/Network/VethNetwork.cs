using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>
/// The network of one instance: a namespace with a wire to the host. On the host's end nothing but this instance is attached, so that there is no neighbour to listen to or to pretend to be.
/// <code>
///  host: faas7  10.100.0.29/30 ──────────── eth0  10.100.0.30/30, default route over .29   :instance
/// </code>
/// </summary>
internal sealed class VethNetwork : IDisposable
{
    /// <summary>The name of the link inside.</summary>
    public const string InsideName = "eth0";

    private readonly NetworkNamespace _namespace;
    private Action? _ended;

    private VethNetwork(NetworkNamespace ns, Ipv4Subnet addresses, string linkName, Action ended) => (_namespace, Addresses, LinkName, _ended) = (ns, addresses, linkName, ended);

    /// <summary>The four addresses that are this instance's and its gateway's.</summary>
    public Ipv4Subnet Addresses { get; }

    /// <summary>The link on the host.</summary>
    public string LinkName { get; }

    /// <summary>The instance's namespace.</summary>
    public NetworkNamespace Namespace => _namespace;

    /// <summary>Makes one.</summary>
    /// <param name="links">Makes links on the host.</param>
    /// <param name="addresses">Its addresses.</param>
    /// <param name="mtu">Bytes of a packet.</param>
    /// <param name="ended">Told, once, when the addresses are free again.</param>
    /// <exception cref="NetlinkException">The kernel refused; nothing is left.</exception>
    public static async Task<VethNetwork> MakeAsync(HostLinks links, Ipv4Subnet addresses, int mtu, Action ended)
    {
        var ns = await NetworkNamespace.MakeAsync().ConfigureAwait(false);
        try
        {
            using var inside = await ns.RunAsync(static () => new RouteSocket()).ConfigureAwait(false);
            var name = links.MakeVeth(ns, InsideName, addresses.First + 1, mtu);
            var loopback = inside.Find("lo") ?? throw new NetlinkException("find the loopback", "it is not there");
            inside.SetUp(loopback.Index);
            var wire = inside.Find(InsideName) ?? throw new NetlinkException($"find {InsideName}", "it is not there");
            inside.DisableIpv6Address(wire.Index);
            inside.AddAddress(wire.Index, addresses.First + 2, AddressPool.PrefixLength);
            inside.SetUp(wire.Index);
            inside.AddRoute(Ipv4Subnet.All, addresses.First + 1, wire.Index);
            return new VethNetwork(ns, addresses, name, ended);
        }
        catch
        {
            // With the namespace goes its end of the wire, and with that the other.
            ns.Dispose();
            throw;
        }
    }

    /// <summary>Lets go of the namespace; when the last process in it has ended, the kernel removes it and the link on the host.</summary>
    public void Dispose()
    {
        _namespace.Dispose();
        Interlocked.Exchange(ref _ended, null)?.Invoke();
    }
}
