using System.Net;
using Stint.Network;

namespace Stint.Tests.Network;

/// <summary>Ranges of addresses, as people write them and as the kernel has them.</summary>
public sealed class Ipv4SubnetTests
{
    [Theory]
    [InlineData("10.100.0.0/16", "10.100.0.0", "10.100.255.255"), InlineData("0.0.0.0/0", "0.0.0.0", "255.255.255.255"), InlineData("192.168.1.7", "192.168.1.7", "192.168.1.7")]
    [InlineData("192.168.1.4/30", "192.168.1.4", "192.168.1.7"), InlineData("255.255.255.255/32", "255.255.255.255", "255.255.255.255"), InlineData("128.0.0.0/1", "128.0.0.0", "255.255.255.255")]
    public void A_range_has_a_first_and_a_last_address(string text, string first, string last)
    {
        Assert.True(Ipv4Subnet.TryParse(text, out var subnet));
        Assert.Equal((first, last), (Ipv4Subnet.Text(subnet.First), Ipv4Subnet.Text(subnet.Last)));
        Assert.Equal(text.Contains('/', StringComparison.Ordinal) ? text : text + "/32", subnet.ToString());
    }

    [Theory]
    [InlineData(""), InlineData("/"), InlineData("10.100.0.0/"), InlineData("10.100.0.0/33"), InlineData("10.100.0.0/-1"), InlineData("10.100.0.0/+8"), InlineData("10.100.0.1/16"), InlineData("10.100/16")]
    [InlineData("010.100.0.0/16"), InlineData("10.100.0.0/16/16"), InlineData("10.100.0.0 /16"), InlineData("::/0"), InlineData("fd00::1"), InlineData("1"), InlineData("256.0.0.0/8"), InlineData("10.100.0.0/016x")]
    public void Anything_else_is_none(string text) => Assert.False(Ipv4Subnet.TryParse(text, out _));

    [Theory]
    [InlineData("10.100.0.0/16", "10.100.7.0/24", true), InlineData("10.100.7.0/24", "10.0.0.0/8", true), InlineData("10.100.0.0/16", "10.101.0.0/16", false), InlineData("10.100.0.0/17", "10.100.128.0/17", false)]
    [InlineData("0.0.0.0/0", "10.100.0.0/16", true), InlineData("10.100.0.0/16", "10.100.0.0/16", true), InlineData("10.100.0.0/30", "10.100.0.4/30", false)]
    public void Two_overlap_when_one_holds_the_other(string one, string other, bool expected)
    {
        Assert.True(Ipv4Subnet.TryParse(one, out var first));
        Assert.True(Ipv4Subnet.TryParse(other, out var second));
        Assert.Equal((expected, expected), (first.Overlaps(second), second.Overlaps(first)));
    }

    [Fact]
    public void An_address_is_in_it_in_every_form()
    {
        Assert.True(Ipv4Subnet.TryParse("10.100.0.0/16", out var subnet));
        Assert.True(subnet.Contains(IPAddress.Parse("10.100.3.4")));
        Assert.True(subnet.Contains(IPAddress.Parse("::ffff:10.100.3.4")));
        Assert.False(subnet.Contains(IPAddress.Parse("10.101.3.4")));
        Assert.False(subnet.Contains(IPAddress.Parse("fd00::1")));
        Assert.False(subnet.Contains(null));
    }

    [Theory]
    [InlineData("10.0.0.0/8", true), InlineData("10.100.0.0/16", true), InlineData("172.16.0.0/12", true), InlineData("192.168.0.0/24", true), InlineData("100.64.0.0/10", true)]
    [InlineData("0.0.0.0/0", false), InlineData("8.0.0.0/7", false), InlineData("172.0.0.0/8", false), InlineData("192.168.0.0/15", false), InlineData("203.0.113.0/24", false)]
    public void Private_ranges_are_known(string text, bool expected)
    {
        Assert.True(Ipv4Subnet.TryParse(text, out var subnet));
        Assert.Equal(expected, subnet.IsPrivate);
    }
}
