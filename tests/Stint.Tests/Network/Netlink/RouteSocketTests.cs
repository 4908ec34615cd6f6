using Stint.Network;
using Stint.Network.Netlink;

namespace Stint.Tests.Network.Netlink;

/// <summary>The real kernel, in namespaces that each test makes for itself. They need root.</summary>
public sealed class RouteSocketTests
{
    [Fact]
    public async Task A_new_namespace_has_a_loopback_that_is_off()
    {
        using var space = await NetworkNamespace.MakeAsync();
        using var inside = await space.RunAsync(static () => new RouteSocket());
        var loopback = inside.Find("lo")!;
        Assert.False(loopback.IsUp);
        inside.SetUp(loopback.Index);
        Assert.True(inside.Find("lo")!.IsUp);
        Assert.Null(inside.Find("eth0"));
        Assert.All(inside.List(), static link => Assert.Equal(0u, link.Group));
    }

    [Fact]
    public async Task A_wire_between_two_namespaces_carries()
    {
        using var here = await NetworkNamespace.MakeAsync();
        using var there = await NetworkNamespace.MakeAsync();
        using var host = await here.RunAsync(static () => new RouteSocket());
        using var inside = await there.RunAsync(static () => new RouteSocket());
        host.MakeVeth("faas0", "eth0", there.File, 1400, 77);
        var near = host.Find("faas0")!;
        var far = inside.Find("eth0")!;
        Assert.Equal(("veth", 77u, 1400, false), (near.Kind, near.Group, near.Mtu, near.IsUp));
        Assert.Equal(("veth", 1400), (far.Kind, far.Mtu));
        host.DisableIpv6Address(near.Index);
        inside.DisableIpv6Address(far.Index);
        host.AddAddress(near.Index, 0x0a640001, 30);
        inside.AddAddress(far.Index, 0x0a640002, 30);
        host.SetUp(near.Index);
        inside.SetUp(far.Index);
        inside.AddRoute(Ipv4Subnet.All, 0x0a640001, far.Index);

        var routes = inside.ListRoutes();
        Assert.Contains(routes, route => route == new NetworkRoute(Ipv4Subnet.All, 0x0a640001, far.Index, NetworkRoute.MainTable, NetworkRoute.Ordinary, 0));
        Assert.Contains(routes, static route => route is { Kind: NetworkRoute.Own, Table: NetworkRoute.LocalTable } && route.Destination.ToString() == "10.100.0.2/32");
        Assert.Contains(host.ListRoutes(), route => route.Destination.ToString() == "10.100.0.0/30" && route.LinkIndex == near.Index);
        // No link-local address, which would lead to the host past every rule for IPv4.
        Assert.DoesNotContain("faas0", await here.RunAsync(static () => File.ReadAllText("/proc/thread-self/net/if_inet6")), StringComparison.Ordinal);

        using var listener = await here.RunAsync(static () => new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetwork, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp));
        listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Parse("10.100.0.1"), 7777));
        listener.Listen();
        using var caller = await there.RunAsync(static () => new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetwork, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp));
        await caller.ConnectAsync(System.Net.IPAddress.Parse("10.100.0.1"), 7777);

        Assert.True(host.Remove(near.Index));
        Assert.False(host.Remove(near.Index));
        Assert.Null(inside.Find("eth0"));
    }

    [Fact]
    public async Task A_link_is_named_marked_grouped_bridged_moved_and_found()
    {
        using var space = await NetworkNamespace.MakeAsync();
        using var other = await NetworkNamespace.MakeAsync();
        using var inside = await space.RunAsync(static () => new RouteSocket());
        using var elsewhere = await other.RunAsync(static () => new RouteSocket());
        inside.MakeBridge("br0");
        inside.MakeVeth("one", "eth0", other.File, 1500, 5);
        var one = inside.Find("one")!.Index;
        inside.Rename(one, "two");
        inside.SetAlias(one, "stint:" + new string('x', 200));
        inside.SetGroup(one, 6);
        inside.SetMtu(one, 1280);
        inside.SetMaster(one, inside.Find("br0")!.Index);
        Assert.Equal(new Link(one, "two", "veth", "stint:" + new string('x', 200), 6, 1280, inside.Find("br0")!.Index, false), inside.Find("two"));
        Assert.Equal(["two"], inside.List(6).Select(static link => link.Name));
        inside.SetMaster(one, 0);
        inside.Move(one, other.File);
        Assert.Null(inside.Find("two"));
        Assert.Equal("veth", elsewhere.Find("two")!.Kind);
    }

    [Fact]
    public async Task A_group_goes_as_a_whole()
    {
        using var space = await NetworkNamespace.MakeAsync();
        using var peer = await NetworkNamespace.MakeAsync();
        using var inside = await space.RunAsync(static () => new RouteSocket());
        for (var n = 0; n < 5; n++) inside.MakeVeth($"faas{n}", $"eth{n}", peer.File, 1500, n < 4 ? 9u : 10u);
        inside.RemoveGroup(9);
        inside.RemoveGroup(9);
        Assert.Equal(["faas4"], inside.List().Select(static link => link.Name).Where(static name => name.StartsWith("faas", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task What_the_kernel_refuses_is_an_error_with_its_reason()
    {
        using var space = await NetworkNamespace.MakeAsync();
        using var inside = await space.RunAsync(static () => new RouteSocket());
        inside.MakeBridge("br0");
        Assert.Equal("cannot make the link br0: File exists", Assert.Throws<NetlinkException>(() => inside.MakeBridge("br0")).Message);
        Assert.StartsWith("cannot add a route to 192.0.2.0/24: ", Assert.Throws<NetlinkException>(() => inside.AddRoute(new Ipv4Subnet(0xc0000200, 24), 0x0a000001, inside.Find("br0")!.Index)).Message, StringComparison.Ordinal);
        Assert.Throws<NetlinkException>(() => inside.SetUp(99));
        Assert.Throws<NetlinkException>(() => inside.MakeBridge("a-name-that-is-too-long"));
        // And the next request is answered as if nothing had been.
        Assert.Equal("br0", inside.Find("br0")!.Name);
    }

    [Fact]
    public async Task Hundreds_of_links_are_listed_whole()
    {
        using var space = await NetworkNamespace.MakeAsync();
        using var inside = await space.RunAsync(static () => new RouteSocket());
        for (var n = 0; n < 300; n++) inside.MakeBridge($"b{n}");
        Assert.Equal(300, inside.List().Count(static link => link.Kind == "bridge"));
    }

    [Fact]
    public async Task A_tap_is_made_given_away_and_made_only_once()
    {
        using var space = await NetworkNamespace.MakeAsync();
        await space.RunAsync(static () =>
        {
            TapDevice.Make("faas0");
            Assert.Equal(LinuxCalls.ErrorBusy, Assert.Throws<NetlinkException>(static () => TapDevice.Make("faas0")).Error);
            TapDevice.GiveTo("faas0", 2_000_000_123);
            TapDevice.GiveTo("faas0", null);
            Assert.Contains("too long", Assert.Throws<NetlinkException>(static () => TapDevice.Make("a-name-that-is-too-long")).Message, StringComparison.Ordinal);
            return true;
        });
        using var inside = await space.RunAsync(static () => new RouteSocket());
        Assert.Equal("tun", inside.Find("faas0")!.Kind);
        Assert.True(inside.Remove(inside.Find("faas0")!.Index));
    }

    [Fact]
    public async Task An_ordinary_process_gets_a_clear_answer()
    {
        // The kernel's permission is that of the thread that opened the socket; this one has given its right up for good, and ends.
        var done = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                Assert.Equal(0, Unprivileged.SetThreadUser(2_000_000_001));
                using var socket = new RouteSocket();
                done.SetResult(Assert.Throws<NetlinkException>(() => socket.MakeBridge("br0")).Message);
            }
            catch (Exception failure)
            {
                done.SetException(failure);
            }
        });
        thread.Start();
        Assert.Equal("cannot make the link br0: Operation not permitted; this needs CAP_NET_ADMIN", await done.Task);
    }
}
