using Stint.EndToEnd.Fixtures;
using Stint.Network;

namespace Stint.EndToEnd.Network;

/// <summary>What a function reaches with <c>network = "outbound"</c>, which is the default, and what it never does.</summary>
public sealed class OutboundTests(EdgeDaemon shared) : IClassFixture<EdgeDaemon>
{
    private const string Refused = "ECONNREFUSED"; // an answer of the filter's, not a silence

    private EdgeNetwork World => shared.World;

    [Theory]
    [InlineData("probe"), InlineData("other")]
    public async Task A_server_in_the_world_is_reached_and_sees_the_hosts_address(string function)
    {
        Assert.Equal(EdgeNetwork.Host, await shared.AskAsync(EdgeNetwork.Server, function: function));
        Assert.Equal(EdgeNetwork.Host, await shared.RunAsync($"result = ask('{EdgeNetwork.Server}', {EdgeNetwork.Port}, socket.SOCK_DGRAM)", function));
    }

    [Fact]
    public async Task The_local_network_is_reached() => Assert.Equal(EdgeNetwork.Host, await shared.AskAsync(EdgeNetwork.Router));

    [Fact]
    public async Task Names_are_resolved()
    {
        Assert.Equal(EdgeNetwork.Server, await shared.RunAsync("result = socket.gethostbyname('server.example')"));
        Assert.Equal(EdgeNetwork.Host, await shared.RunAsync($"result = ask('server.example', {EdgeNetwork.Port})"));
        Assert.Equal("127.0.0.1", await shared.RunAsync("result = socket.gethostbyname('localhost')"));
    }

    [Fact]
    public async Task It_sees_a_loopback_and_one_wire_and_no_IPv6()
    {
        Assert.Equal("['lo', 'eth0']", await shared.RunAsync("result = [n for _, n in socket.if_nameindex()]"));
        Assert.Equal("['lo']", await shared.RunAsync("result = sorted({l.split()[-1] for l in open('/proc/net/if_inet6')})"));
        Assert.Equal("ENETUNREACH", await shared.RunAsync("s = socket.socket(socket.AF_INET6)\ntry: s.connect(('2001:db8::1', 80))\nexcept OSError as e: result = errno.errorcode[e.errno]"));
    }

    [Theory]
    [InlineData(EdgeNetwork.Host), InlineData(EdgeNetwork.Bridge), InlineData("10.100.0.1"), InlineData("10.100.0.5")]
    public async Task No_address_of_the_host_is_reached_on_any_port(string address)
    {
        foreach (var port in new[] { EdgeNetwork.Port, shared.Daemon.ManagementPort, shared.Daemon.HttpPort }) Assert.Equal(Refused, await shared.AskAsync(address, port));
        // The kernel sends few ICMP errors a second, so a datagram may also just be lost.
        Assert.Matches("^(EHOSTUNREACH|TimeoutError)$", await shared.RunAsync($"result = ask('{address}', {EdgeNetwork.Port}, socket.SOCK_DGRAM, 2)"));
    }

    [Fact]
    public async Task Its_own_gateway_is_not_reached()
    {
        var gateway = await shared.RunAsync("result = socket.inet_ntoa(bytes.fromhex([l.split()[2] for l in open('/proc/net/route') if l.split()[1] == '00000000'][0])[::-1])");
        Assert.StartsWith("10.100.", gateway, StringComparison.Ordinal);
        foreach (var port in new[] { EdgeNetwork.Port, shared.Daemon.ManagementPort, 53 }) Assert.Equal(Refused, await shared.AskAsync(gateway, port));
    }

    [Fact]
    public async Task The_loopback_is_its_own()
    {
        Assert.Equal("ECONNREFUSED", await shared.AskAsync("127.0.0.1"));
        Assert.Equal("ECONNREFUSED", await shared.AskAsync("127.0.0.1", shared.Daemon.ManagementPort));
        Assert.Equal("127.0.0.1", await EdgeNetwork.AskAsync(World.Edge, "127.0.0.1"));
    }

    [Fact]
    public async Task The_metadata_service_is_out_of_reach_of_functions_only()
    {
        Assert.Equal(EdgeNetwork.Host, await EdgeNetwork.AskAsync(World.Edge, EdgeNetwork.Metadata));
        Assert.Equal(Refused, await shared.AskAsync(EdgeNetwork.Metadata));
    }

    [Theory]
    [InlineData("0.0.0.0", "ECONNREFUSED"), InlineData("255.255.255.255", "ENETUNREACH"), InlineData("198.51.100.255", Refused), InlineData("224.0.0.1", "ENETUNREACH")]
    public async Task Addresses_of_nobody_and_of_everybody_lead_nowhere(string address, string error) => Assert.Equal(error, await shared.AskAsync(address));

    [Fact]
    public async Task A_container_behind_a_bridge_of_the_host_is_not_reached()
    {
        Assert.Equal(EdgeNetwork.Bridge, await EdgeNetwork.AskAsync(World.Edge, EdgeNetwork.Container));
        Assert.Equal(Refused, await shared.AskAsync(EdgeNetwork.Container));
    }

    [Fact]
    public async Task A_neighbour_is_not_reached_and_the_world_begins_nothing()
    {
        var address = await shared.RunAsync($$"""
            import threading
            listener = socket.create_server(('0.0.0.0', {{EdgeNetwork.Port}}))
            def serve():
                while True:
                    peer, _ = listener.accept()
                    peer.send(b'neighbour')
                    peer.close()
            threading.Thread(target=serve, daemon=True).start()
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(('{{EdgeNetwork.Server}}', 9))
            result = s.getsockname()[0]
            """, "other");
        // It is there, for the host.
        Assert.Equal("neighbour", await EdgeNetwork.AskAsync(World.Edge, address));
        Assert.Equal(Refused, await shared.AskAsync(address));
        // Somebody in the world who sends what is for functions to the host.
        using (var outside = await World.Outside.RunAsync(static () => new Stint.Network.Netlink.RouteSocket()))
            outside.AddRoute(NetworkOptions.DefaultSubnet, EdgeNetwork.Number(EdgeNetwork.Host), outside.Find("eth0")!.Index);
        var asked = EdgeNetwork.RunAsync(World.Outside, "/usr/bin/python3", "-c", $"import socket\ns = socket.socket()\ns.settimeout(3)\ntry:\n    s.connect(('{address}', {EdgeNetwork.Port}))\n    print(s.recv(100))\nexcept OSError as e: print(type(e).__name__)");
        Assert.Equal("TimeoutError", (await asked).Trim());
        // And from a container on the same host.
        Assert.Equal("TimeoutError", (await EdgeNetwork.RunAsync(World.ContainerSpace, "/usr/bin/python3", "-c", $"import socket\ns = socket.socket()\ns.settimeout(3)\ntry:\n    s.connect(('{address}', {EdgeNetwork.Port}))\n    print(s.recv(100))\nexcept OSError as e: print(type(e).__name__)")).Trim());
    }

    [Fact]
    public async Task The_host_has_not_become_a_router()
    {
        Assert.Equal("1", await World.ForwardingAsync());
        // br0 and up0 were there before; nothing went from one to the other then.
        var asked = await EdgeNetwork.RunAsync(World.ContainerSpace, "/usr/bin/python3", "-c", $"import socket\ns = socket.socket()\ns.settimeout(3)\ntry:\n    s.connect(('{EdgeNetwork.Router}', {EdgeNetwork.Port}))\n    print(s.recv(100))\nexcept OSError as e: print(type(e).__name__)");
        Assert.Equal("TimeoutError", asked.Trim());
    }

    [Theory]
    [InlineData("socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)"), InlineData("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"), InlineData("socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)")]
    [InlineData("socket.socket().setsockopt(socket.IPPROTO_IP, 19, 1)")] // IP_TRANSPARENT
    [InlineData("open('/dev/net/tun')"), InlineData("open('/proc/sys/net/ipv4/ip_forward', 'w')")]
    public async Task It_cannot_make_packets_of_its_own(string attempt) =>
        Assert.Matches("^(EPERM|EACCES|ENOENT|EROFS)$", await shared.RunAsync($"try:\n    {attempt}\n    result = 'done'\nexcept OSError as e: result = errno.errorcode[e.errno]"));

    [Fact]
    public async Task It_cannot_change_its_network()
    {
        // RTM_DELLINK of its wire, over its own netlink socket.
        var result = await shared.RunAsync("""
            import struct
            s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            index = socket.if_nametoindex('eth0')
            s.send(struct.pack('IHHII', 32, 17, 5, 1, 0) + struct.pack('BxHiII', 0, 0, index, 0, 0))
            result = struct.unpack('i', s.recv(4096)[16:20])[0]
            """);
        Assert.Equal("-1", result); // EPERM
    }

    [Fact]
    public async Task A_foreign_source_address_does_not_get_past_the_host()
    {
        // Freely bound, without privileges: the kernel does not send it. And from a process with all privileges in the function's own namespace, as a virtual machine is: the filter drops it.
        Assert.Equal("ENETUNREACH", await shared.RunAsync($"s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.setsockopt(socket.IPPROTO_IP, 15, 1)\ns.bind(('198.51.100.77', 0))\ntry:\n    s.sendto(b'?', ('{EdgeNetwork.Server}', {EdgeNetwork.Port}))\n    result = 'sent'\nexcept OSError as e: result = errno.errorcode[e.errno]"));
        var pid = await SandboxAsync("probe");
        const string Send = """
            import socket, struct, sys
            def checksum(b):
                s = sum(struct.unpack(f'!{len(b) // 2}H', b))
                s = (s & 0xffff) + (s >> 16)
                return ~(s + (s >> 16)) & 0xffff
            def send(source, marker):
                payload = struct.pack('!HHHH', 5555, 7778, 8 + len(marker), 0) + marker
                head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(sys.argv[1]))
                head = head[:10] + struct.pack('!H', checksum(head)) + head[12:]
                s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
                s.sendto(head + payload, (sys.argv[1], 0))
            own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            own.connect((sys.argv[1], 9))
            send('198.51.100.77', b'spoofed!')
            send('10.100.200.2', b'spoofed!')
            send(own.getsockname()[0], b'its own!')
            """;
        using var listener = await World.Outside.RunAsync(static () => new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetwork, System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Udp));
        listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Any, 7778));
        (await Programs.RunAsync(["nsenter", $"--net=/proc/{pid}/ns/net", "--", "/usr/bin/python3", "-c", Send, EdgeNetwork.Server], "/")).Good();
        var buffer = new byte[100];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        // Packets of one wire do not overtake each other: the honest one is the last.
        var count = await listener.ReceiveAsync(buffer, limit.Token);
        Assert.Equal("its own!", System.Text.Encoding.ASCII.GetString(buffer, 0, count));
    }

    [Fact]
    public async Task With_network_none_there_is_still_nothing()
    {
        Assert.Equal("['lo']", await shared.RunAsync("result = [n for _, n in socket.if_nameindex()]", "offline"));
        Assert.Equal("ENETUNREACH", await shared.AskAsync(EdgeNetwork.Server, function: "offline"));
    }

    [Fact]
    public async Task Many_exchanges_at_once_do_not_fill_the_hosts_table()
    {
        // One socket, as many peers as there are ports: each is an entry of the host's connection table, until it is refused.
        await shared.RunAsync($"s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nfor p in range(1024, 12000):\n    try: s.sendto(b'?', ('{EdgeNetwork.Server}', p))\n    except OSError: pass\nresult = 'sent'", "other");
        var count = await World.Edge.RunAsync(static () => int.Parse(File.ReadAllText("/proc/sys/net/netfilter/nf_conntrack_count"), System.Globalization.CultureInfo.InvariantCulture));
        Assert.InRange(count, 1000, FilterRules.MaxConnections + 1000);
        Assert.Equal(EdgeNetwork.Host, await shared.AskAsync(EdgeNetwork.Server));
    }

    [Fact]
    public async Task It_is_described_and_measured()
    {
        Assert.Equal("outbound", (await shared.Daemon.DescribeAsync("probe")).GetProperty("network").GetString());
        Assert.Equal("none", (await shared.Daemon.DescribeAsync("offline")).GetProperty("network").GetString());
        Assert.Contains("stint_outbound_available 1", await shared.Daemon.Management.GetStringAsync("metrics"), StringComparison.Ordinal);
    }

    private async Task<string> SandboxAsync(string function)
    {
        var address = await shared.RunAsync($"s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(('{EdgeNetwork.Server}', 9))\nresult = s.getsockname()[0]", function);
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(static path => int.TryParse(Path.GetFileName(path), out _)))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(process, "net", "fib_trie")).Contains($"|-- {address}\n", StringComparison.Ordinal)) return Path.GetFileName(process);
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // it has ended
            }
        }
        throw new InvalidOperationException($"nobody has {address}");
    }
}
