using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Stint.Backends.Wasm;
using Stint.Functions;
using Stint.Network;

namespace Stint.Tests.Backends.Wasm;

public sealed class GuestTargetsTests
{
    private static readonly GuestTargets Targets = new(NetworkOptions.DefaultSubnet, [new AllowedTarget(Subnet("127.0.0.1", 32), 8000), new AllowedTarget(Subnet("10.100.0.0", 24), 80)]);

    private static Ipv4Subnet Subnet(string address, int prefix) => new(Ipv4Subnet.Number(IPAddress.Parse(address)), prefix);

    [Theory]
    [InlineData("93.184.216.34", 80, true)]
    [InlineData("192.0.2.7", 443, true)]
    [InlineData("127.0.0.1", 80, false)]
    [InlineData("127.0.0.1", 8000, true)] // network-allow
    [InlineData("127.8.9.10", 80, false)]
    [InlineData("0.0.0.0", 80, false)]
    [InlineData("0.1.2.3", 80, false)]
    [InlineData("169.254.169.254", 80, false)]
    [InlineData("224.0.0.1", 80, false)]
    [InlineData("255.255.255.255", 80, false)]
    [InlineData("10.100.3.2", 80, false)] // another function's
    [InlineData("10.100.0.2", 80, true)]
    [InlineData("::1", 80, false)]
    [InlineData("::", 80, false)]
    [InlineData("fe80::1", 80, false)]
    [InlineData("2606:2800:220:1::1", 80, false)]
    [InlineData("::ffff:127.0.0.1", 80, false)]
    [InlineData("::ffff:169.254.169.254", 80, false)]
    [InlineData("::ffff:93.184.216.34", 80, true)]
    public void Outbound_is_the_world_and_not_this_host(string address, int port, bool isOpen)
    {
        Assert.Equal(isOpen, Targets.Permits(NetworkAccess.Outbound, IPAddress.Parse(address), port));
        Assert.True(Targets.Permits(NetworkAccess.Host, IPAddress.Parse(address), port));
        Assert.False(Targets.Permits(NetworkAccess.None, IPAddress.Parse(address), port));
    }

    [Fact]
    public void Every_address_of_this_host_is_closed()
    {
        var own = NetworkInterface.GetAllNetworkInterfaces().SelectMany(static link => link.GetIPProperties().UnicastAddresses).Select(static address => address.Address).Where(static address => address.AddressFamily == AddressFamily.InterNetwork);
        Assert.All(own, static address => Assert.False(Targets.Permits(NetworkAccess.Outbound, address, 80)));
    }
}
