using System.Net;
using System.Net.NetworkInformation;

namespace Stint.Hosting;

/// <summary>Where the management endpoint and its like listen.</summary>
internal static class ManagementAddresses
{
    /// <summary>The addresses of <c>management-listen</c>; without the loopback of IPv6 beside that of IPv4 where this host, a container as a rule, has no IPv6.</summary>
    public static IEnumerable<IPAddress> Of(DaemonOptions options) =>
        options.ManagementListen.Where(address => !address.Equals(IPAddress.IPv6Loopback) || !options.ManagementListen.Contains(IPAddress.Loopback) || HasIPv6Loopback());

    private static bool HasIPv6Loopback() =>
        NetworkInterface.GetAllNetworkInterfaces().SelectMany(static one => one.GetIPProperties().UnicastAddresses).Any(static one => one.Address.Equals(IPAddress.IPv6Loopback));
}
