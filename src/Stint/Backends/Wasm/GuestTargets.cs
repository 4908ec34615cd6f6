using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Stint.Functions;
using Stint.Network;

namespace Stint.Backends.Wasm;

/// <summary>
/// Where the daemon goes for a guest. With <c>outbound</c> that is where a process function could go by itself (docs/network.md): the world and the local network over IPv4, but not this host, nor what lives on it, nor
/// link-local addresses with the metadata services of clouds. Each address is looked at when it is connected to, so a name that changes its mind gains nothing.
/// </summary>
/// <param name="instances">Addresses of functions.</param>
/// <param name="allowed">Exceptions: <c>network-allow</c>.</param>
internal sealed class GuestTargets(Ipv4Subnet instances, IReadOnlyList<AllowedTarget> allowed)
{
    /// <summary>Whether a function with that network may be connected to there.</summary>
    public bool Permits(NetworkAccess access, IPAddress address, int port) => access switch
    {
        NetworkAccess.Host => true,
        NetworkAccess.Outbound => IsInTheWorld(address, port),
        _ => false,
    };

    private bool IsInTheWorld(IPAddress address, int port)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetwork) return false;
        foreach (var target in allowed)
            if (target.Port == port && target.Addresses.Contains(address)) return true;
        return !LocalAddress.Is(address) && !instances.Contains(address) && !IsOfThisHost(address);
    }

    /// <summary>Whether it is an address of this host's, or lies in a network that lives on it: behind a bridge that is not the way out, as Docker's.</summary>
    private static bool IsOfThisHost(IPAddress address)
    {
        foreach (var link in NetworkInterface.GetAllNetworkInterfaces())
        {
            var properties = link.GetIPProperties();
            var isInner = Directory.Exists($"/sys/class/net/{link.Name}/bridge") && properties.GatewayAddresses.Count == 0;
            foreach (var own in properties.UnicastAddresses)
            {
                if (own.Address.AddressFamily != AddressFamily.InterNetwork) continue;
                if (own.Address.Equals(address)) return true;
                if (isInner && Ipv4Subnet.Containing(Ipv4Subnet.Number(own.Address), own.PrefixLength).Contains(address)) return true;
            }
        }
        return false;
    }
}
