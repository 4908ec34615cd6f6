using System.Text.RegularExpressions;
using Stint.EndToEnd.Fixtures;
using Stint.Network;
using Stint.Network.Netlink;

namespace Stint.EndToEnd.Network;

/// <summary>Hosts that are not as a daemon would like them: other firewalls, other daemons, other links, a killed predecessor, no room.</summary>
public sealed class HostsTests
{
    private const string Probe = EdgeDaemon.RunsItsInput;
    private static readonly string Ask = $"import socket\nwith socket.create_connection(('{EdgeNetwork.Server}', {EdgeNetwork.Port}), 20) as s: result = s.recv(100).decode()";

    [Fact]
    public async Task On_a_Docker_host_the_policy_DROP_is_passed_and_a_published_port_is_none_for_functions()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await world.Edge.RunAsync(static () =>
        {
            File.WriteAllText("/proc/sys/net/ipv4/ip_forward", "1");
            return true;
        });
        // As docker run -p 8888:7777 does it.
        await EdgeNetwork.RunAsync(world.Edge, "iptables-nft", "-P", "FORWARD", "DROP");
        await EdgeNetwork.RunAsync(world.Edge, "iptables-nft", "-A", "FORWARD", "-d", EdgeNetwork.Container, "-p", "tcp", "-j", "ACCEPT");
        await EdgeNetwork.RunAsync(world.Edge, "iptables-nft", "-A", "FORWARD", "-s", EdgeNetwork.Container, "-j", "ACCEPT");
        await EdgeNetwork.RunAsync(world.Edge, "iptables-nft", "-t", "nat", "-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-p", "tcp", "--dport", "8888", "-j", "DNAT", "--to-destination", $"{EdgeNetwork.Container}:{EdgeNetwork.Port}");
        var before = await EdgeNetwork.RunAsync(world.Edge, "iptables-nft", "-S");
        await using (var daemon = await world.StartDaemonAsync())
        {
            await daemon.DeployPythonAsync("probe", Probe);
            Assert.Equal((200, EdgeNetwork.Host), await daemon.CallAsync("probe", Ask));
            Assert.Equal(EdgeNetwork.Router, await EdgeNetwork.AskAsync(world.Outside, EdgeNetwork.Host, 8888));
            foreach (var (address, port) in new[] { (EdgeNetwork.Host, 8888), (EdgeNetwork.Container, EdgeNetwork.Port) })
                Assert.Equal((200, "ConnectionRefusedError"), await daemon.CallAsync("probe", $"import socket\ntry:\n    socket.create_connection(('{address}', {port}), 20)\n    result = 'connected'\nexcept OSError as e: result = type(e).__name__"));
            Assert.Contains("stint:", await EdgeNetwork.RunAsync(world.Edge, "iptables-nft", "-S"), StringComparison.Ordinal);
        }
        Assert.Equal(before, await EdgeNetwork.RunAsync(world.Edge, "iptables-nft", "-S"));
        Assert.Equal("1", await world.ForwardingAsync());
    }

    [Fact]
    public async Task A_firewall_of_the_operators_own_is_reported_and_left_alone()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await EdgeNetwork.RunAsync(world.Edge, "nft", "add table inet mine; add chain inet mine through { type filter hook forward priority 0; policy drop; }");
        var before = await EdgeNetwork.RunAsync(world.Edge, "nft", "list", "ruleset");
        await using (var daemon = await world.StartDaemonAsync())
        {
            await daemon.DeployPythonAsync("probe", Probe);
            await daemon.WaitForLogAsync("nftables chain inet mine through, policy drop");
            Assert.Contains("inet mine through", await daemon.Management.GetStringAsync("stint/v1/info"), StringComparison.Ordinal);
        }
        Assert.Equal(before, await EdgeNetwork.RunAsync(world.Edge, "nft", "list", "ruleset"));
    }

    [Fact]
    public async Task Stopping_leaves_the_host_as_it_was()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var daemon = await world.StartDaemonAsync();
        await daemon.DeployPythonAsync("probe", Probe, top: "min-instances = 2");
        Assert.Equal((200, EdgeNetwork.Host), await daemon.CallAsync("probe", Ask));
        Assert.NotEmpty(await world.LinksAsync());
        Assert.Equal("1", await world.ForwardingAsync());
        daemon.Signal(15);
        Assert.Equal(0, await daemon.ExitAsync());
        await RequireCleanAsync(world);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(daemon.State, "network")));
    }

    [Fact]
    public async Task Forwarding_stays_on_when_somebody_else_may_need_it_by_now()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var daemon = await world.StartDaemonAsync();
        await daemon.DeployPythonAsync("probe", Probe);
        Assert.Equal((200, EdgeNetwork.Host), await daemon.CallAsync("probe", Ask));
        using (var edge = await world.Edge.RunAsync(static () => new RouteSocket())) edge.MakeBridge("docker0");
        daemon.Signal(15);
        Assert.Equal(0, await daemon.ExitAsync());
        Assert.Equal("1", await world.ForwardingAsync());
        Assert.Equal(["docker0"], await world.LinksAsync());
    }

    [Fact]
    public async Task What_a_killed_daemon_left_goes_with_the_next_start_and_nothing_else()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            using var edge = await world.Edge.RunAsync(static () => new RouteSocket());
            // Others' links that look like ours: another program's, and another daemon's.
            edge.MakeBridge("faas0");
            edge.MakeBridge("faas2");
            edge.SetAlias(edge.Find("faas2")!.Index, "stint:0123456789ab");
            string[] foreign = ["faas0", "faas2"];
            await EdgeNetwork.RunAsync(world.Edge, "iptables-nft", "-P", "FORWARD", "DROP");
            await using (var killed = await world.StartDaemonAsync(new DaemonSetup { Root = root }))
            {
                await killed.DeployPythonAsync("probe", Probe, top: "min-instances = 1");
                Assert.Equal((200, EdgeNetwork.Host), await killed.CallAsync("probe", Ask));
                await killed.KillAsync();
                // As if a tap and a link that was just being made had stayed.
                var links = new HostLinks(Leftovers.Id(killed.State));
                await world.Edge.RunAsync(() => links.MakeTap(EdgeNetwork.Number("10.100.9.1"), 1500));
                edge.MakeBridge("faas77");
                edge.SetGroup(edge.Find("faas77")!.Index, links.Group);
            }
            Assert.Equal("1", await world.ForwardingAsync());
            Assert.Contains("table inet stint_", await EdgeNetwork.RunAsync(world.Edge, "nft", "list", "tables"), StringComparison.Ordinal);

            await using (var next = await world.StartDaemonAsync(new DaemonSetup { Root = root }, "--network-default", "none"))
            {
                // Its functions need no network, so there is none; what was left is gone all the same.
                await Retry.UntilAsync("the links are gone", async () => (await world.LinksAsync()).SequenceEqual(foreign));
                Assert.DoesNotContain("stint", await EdgeNetwork.RunAsync(world.Edge, "nft", "list", "ruleset"), StringComparison.Ordinal);
                Assert.Equal("0", await world.ForwardingAsync());
                Assert.Contains("faas77", next.Log, StringComparison.Ordinal);
            }
            Assert.Equal(foreign, await world.LinksAsync());
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task Two_daemons_with_different_subnets_work_side_by_side_and_their_functions_do_not_meet()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var first = await world.StartDaemonAsync();
        await using var second = await world.StartDaemonAsync(null, "--network-subnet", "10.101.0.0/16");
        await first.DeployPythonAsync("probe", Probe, top: "keepalive = -1");
        await second.DeployPythonAsync("probe", Probe, top: "keepalive = -1");
        Assert.Equal((200, EdgeNetwork.Host), await first.CallAsync("probe", Ask));
        Assert.Equal((200, EdgeNetwork.Host), await second.CallAsync("probe", Ask));
        var (_, address) = await second.CallAsync("probe", $$"""
            import socket, threading
            listener = socket.create_server(('0.0.0.0', {{EdgeNetwork.Port}}))
            def serve():
                while True:
                    peer, _ = listener.accept()
                    peer.send(b'other daemon')
                    peer.close()
            threading.Thread(target=serve, daemon=True).start()
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(('{{EdgeNetwork.Server}}', 9))
            result = s.getsockname()[0]
            """);
        Assert.StartsWith("10.101.", address, StringComparison.Ordinal);
        Assert.Equal("other daemon", await EdgeNetwork.AskAsync(world.Edge, address));
        var meeting = await first.CallAsync("probe", $"import socket\ntry:\n    socket.create_connection(('{address}', {EdgeNetwork.Port}), 3)\n    result = 'connected'\nexcept OSError as e: result = type(e).__name__");
        Assert.Matches("^(ConnectionRefusedError|TimeoutError)$", meeting.Body);
        first.Signal(15);
        Assert.Equal(0, await first.ExitAsync());
        Assert.Equal((200, EdgeNetwork.Host), await second.CallAsync("probe", Ask));
    }

    [Fact]
    public async Task A_subnet_that_another_daemon_has_is_not_used_twice()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var first = await world.StartDaemonAsync();
        await first.DeployPythonAsync("probe", Probe);
        Assert.Equal((200, EdgeNetwork.Host), await first.CallAsync("probe", Ask));
        // By default: its functions run, without a network, and it is said.
        await using (var second = await world.StartDaemonAsync())
        {
            await second.DeployPythonAsync("probe", Probe);
            Assert.Equal((200, "['lo']"), await second.CallAsync("probe", "import socket\nresult = [n for _, n in socket.if_nameindex()]"));
            Assert.Contains("collides with 10.100.0.0/16, which another Stint daemon on this host uses", second.Log, StringComparison.Ordinal);
            var described = await second.DescribeAsync("probe");
            Assert.Equal("none", described.GetProperty("network").GetString());
            Assert.Contains("--network-subnet", described.GetProperty("networkProblem").GetString(), StringComparison.Ordinal);
        }
        // Asked for: it does not start.
        var third = await world.StartAndFailAsync("--network-subnet", "10.100.128.0/17");
        Assert.Equal(1, third.Code);
        Assert.Contains("10.100.128.0/17 collides with 10.100.0.0/16", third.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_subnet_that_the_host_has_a_route_for_is_refused_by_its_name()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await EdgeNetwork.RunAsync(world.Edge, "ip", "route", "add", "10.100.7.0/24", "via", EdgeNetwork.Router);
        const string Collision = "collides with the route 10.100.7.0/24 via 198.51.100.1 dev up0";
        var refused = await world.StartAndFailAsync("--network-subnet", "10.100.0.0/16");
        Assert.Equal(1, refused.Code);
        Assert.Contains(Collision, refused.Error, StringComparison.Ordinal);

        await using var daemon = await world.StartDaemonAsync();
        // Who needs nothing notices nothing …
        await daemon.DeployPythonAsync("offline", "def fn(input, headers): return 'fine'\n", "network = \"none\"");
        Assert.Equal((200, "fine"), await daemon.CallAsync("offline"));
        Assert.DoesNotContain("collides", daemon.Log, StringComparison.Ordinal);
        // … who does not say runs without …
        await daemon.DeployPythonAsync("whatever", Probe);
        Assert.Equal((200, "['lo']"), await daemon.CallAsync("whatever", "import socket\nresult = [n for _, n in socket.if_nameindex()]"));
        Assert.Contains(Collision, daemon.Log, StringComparison.Ordinal);
        // … who asks for it is told.
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => daemon.DeployPythonAsync("wants", Probe, "network = \"outbound\""));
        Assert.Contains(Collision, failure.Message, StringComparison.Ordinal);
        Assert.Contains("--network-subnet", failure.Message, StringComparison.Ordinal);
        Assert.Empty(await world.LinksAsync());
        Assert.Empty(await EdgeNetwork.RunAsync(world.Edge, "nft", "list", "ruleset"));
        Assert.Equal("0", await world.ForwardingAsync());
    }

    [Fact]
    public async Task A_daemon_whose_functions_need_no_network_does_not_touch_the_hosts()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var daemon = await world.StartDaemonAsync(null, "--network-default", "none");
        await daemon.DeployPythonAsync("probe", Probe, top: "min-instances = 1");
        Assert.Equal((200, "['lo']"), await daemon.CallAsync("probe", "import socket\nresult = [n for _, n in socket.if_nameindex()]"));
        await RequireCleanAsync(world);
        // Until one does.
        await daemon.DeployPythonAsync("wants", Probe, "network = \"outbound\"");
        Assert.Equal((200, EdgeNetwork.Host), await daemon.CallAsync("wants", Ask));
    }

    [Fact]
    public async Task What_the_operator_allows_is_reached_and_nothing_beside_it()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var daemon = await world.StartDaemonAsync(null, "--network-allow", $"{EdgeNetwork.Host}:{EdgeNetwork.Port},{EdgeNetwork.Container}:{EdgeNetwork.Port}");
        await daemon.DeployPythonAsync("probe", Probe);
        foreach (var address in new[] { EdgeNetwork.Host, EdgeNetwork.Container })
        {
            var (_, seen) = await daemon.CallAsync("probe", Ask.Replace(EdgeNetwork.Server, address, StringComparison.Ordinal));
            Assert.Matches(@"^(10\.100\.\d+\.\d+|172\.17\.0\.1)$", seen);
            Assert.Equal((200, "ConnectionRefusedError"), await daemon.CallAsync("probe", $"import socket\ntry:\n    socket.create_connection(('{address}', {daemon.HttpPort}), 20)\n    result = 'connected'\nexcept OSError as e: result = type(e).__name__"));
        }
    }

    [Fact]
    public async Task All_networks_in_use_is_said_and_passes()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        // Room for two: one for each function, none for spares or a stock.
        await using var daemon = await world.StartDaemonAsync(null, "--network-subnet", "10.100.0.0/29", "--network-stock", "0", "--spares", "0", "--empty-sandboxes", "0");
        await daemon.DeployPythonAsync("first", Probe, top: "keepalive = -1\nmin-instances = 1");
        await daemon.DeployPythonAsync("second", Probe, "network = \"none\"");
        await daemon.DeployPythonAsync("third", Probe, top: "keepalive = -1\nmin-instances = 1");
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => daemon.DeployPythonAsync("fourth", Probe, "network = \"outbound\""));
        Assert.Contains("all 2 networks of 10.100.0.0/29 are in use", failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, (await daemon.CliAsync("rm", "third")).Code);
        await Retry.UntilAsync("there is room again", async () =>
        {
            try
            {
                await daemon.DeployPythonAsync("fourth", Probe, "network = \"outbound\"");
                return true;
            }
            catch (InvalidOperationException)
            {
                return false;
            }
        });
        Assert.Equal((200, EdgeNetwork.Host), await daemon.CallAsync("fourth", Ask));
    }

    [Fact]
    public async Task Functions_that_nobody_calls_have_no_network_each()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        await using var daemon = await world.StartDaemonAsync(null, "--network-stock", "2", "--spares", "1", "--empty-sandboxes", "1");
        for (var i = 0; i < 12; i++) await daemon.DeployPythonAsync($"quiet{i}", Probe, "network = \"outbound\"");
        await daemon.DeployPythonAsync("probe", Probe, "network = \"outbound\"");
        Assert.Equal((200, EdgeNetwork.Host), await daemon.CallAsync("probe", Ask));
        // The instance, a spare and an empty sandbox for the thirteen of them, and the stock; those that have just been given up may still be on their way out.
        await Retry.UntilAsync("no more networks than are in use or wait", async () => (await world.LinksAsync()).Count is > 0 and <= 5);
        Assert.Matches(@"(?m)^stint_networks [1-5]$", await daemon.Management.GetStringAsync("metrics"));
    }

    [Fact]
    public async Task Without_nftables_it_is_said_what_to_install()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        // A mount namespace in which nft is nothing that runs.
        await using var daemon = await world.StartDaemonAsync(new DaemonSetup { Prefix = ["unshare", "--mount", "--", "sh", "-c", "mount -t tmpfs none /usr/sbin && exec \"$@\"", "sh"] });
        await daemon.DeployPythonAsync("probe", Probe);
        Assert.Equal((200, "['lo']"), await daemon.CallAsync("probe", "import socket\nresult = [n for _, n in socket.if_nameindex()]"));
        Assert.Contains("apt-get install nftables", daemon.Log, StringComparison.Ordinal);
        Assert.Contains("stint_outbound_available 0", await daemon.Management.GetStringAsync("metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_the_right_to_change_the_network_it_is_said_which_is_missing()
    {
        await using var world = await EdgeNetwork.MakeAsync();
        // As in a container without --cap-add NET_ADMIN.
        await using var daemon = await world.StartDaemonAsync(new DaemonSetup { Prefix = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"] });
        await daemon.DeployPythonAsync("probe", Probe);
        Assert.Equal((200, "['lo']"), await daemon.CallAsync("probe", "import socket\nresult = [n for _, n in socket.if_nameindex()]"));
        Assert.Matches(new Regex("functions have no network: the daemon lacks CAP_NET_ADMIN"), daemon.Log);
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => daemon.DeployPythonAsync("wants", Probe, "network = \"outbound\""));
        Assert.Contains("CAP_NET_ADMIN", failure.Message, StringComparison.Ordinal);
    }

    private static async Task RequireCleanAsync(EdgeNetwork world)
    {
        Assert.Empty(await world.LinksAsync());
        Assert.Empty(await EdgeNetwork.RunAsync(world.Edge, "nft", "list", "ruleset"));
        Assert.Equal("0", await world.ForwardingAsync());
    }
}
