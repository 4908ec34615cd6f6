using System.Net;
using Stint.Coap.Transport;

namespace Stint.Coap.Tests.Transport;

public sealed class PeerTests
{
    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("127.8.9.1", true)]
    [InlineData("::1", true)]
    [InlineData("192.0.2.1", false)]
    [InlineData("2001:db8::1", false)]
    [InlineData("::", false)]
    public void An_address_comes_back_as_it_was_and_loopback_is_known(string address, bool loopback)
    {
        var endPoint = new IPEndPoint(IPAddress.Parse(address), 5683);
        var peer = Peer.From(endPoint);
        Assert.Equal(endPoint, peer.ToEndPoint());
        Assert.Equal(loopback, peer.IsLoopback);
    }

    [Fact]
    public void A_mapped_address_is_the_IPv4_address() =>
        Assert.Equal(Peer.From(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 1)), Peer.From(new IPEndPoint(IPAddress.Parse("::ffff:192.0.2.1"), 1)));

    [Fact]
    public void The_interface_of_a_link_local_address_is_kept() =>
        Assert.Equal("[fe80::1%3]:5683", Peer.From(IPEndPoint.Parse("[fe80::1%3]:5683")).ToString());
}
