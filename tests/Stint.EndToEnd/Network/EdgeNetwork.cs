// A small world of network namespaces, made by the test run and gone with it; nothing on disk, nothing of the host's.
//
//   edge  (the daemon's host)                                     outside (the world)
//     up0  198.51.100.2 ─────────────────────────────────────────── eth0  198.51.100.1
//     br0  172.17.0.1 ── a container at 172.17.0.2                   lo    203.0.113.9, 169.254.169.254
//     default route over outside, also to 169.254.169.254
//
using System.Net;
using System.Net.Sockets;
using Stint.EndToEnd.Fixtures;
using Stint.Network;
using Stint.Network.Netlink;

namespace Stint.EndToEnd.Network;

/// <summary>The namespaces and what listens in them.</summary>
internal sealed class EdgeNetwork : IAsyncDisposable
{
    /// <summary>The edge host's own address.</summary>
    public const string Host = "198.51.100.2";

    /// <summary>The next router, which is also the name server.</summary>
    public const string Router = "198.51.100.1";

    /// <summary>A server far away.</summary>
    public const string Server = "203.0.113.9";

    /// <summary>Where clouds keep a machine's credentials.</summary>
    public const string Metadata = "169.254.169.254";

    /// <summary>The edge host's address on its bridge, and a container's behind it.</summary>
    public const string Bridge = "172.17.0.1", Container = "172.17.0.2";

    /// <summary>The port of everything that listens.</summary>
    public const int Port = 7777;

    private readonly List<IAsyncDisposable> _servers = [];

    private EdgeNetwork(NetworkNamespace edge, NetworkNamespace outside, NetworkNamespace container) => (Edge, Outside, ContainerSpace) = (edge, outside, container);

    /// <summary>The daemon's host.</summary>
    public NetworkNamespace Edge { get; }

    /// <summary>The world.</summary>
    public NetworkNamespace Outside { get; }

    /// <summary>The container.</summary>
    public NetworkNamespace ContainerSpace { get; }

    /// <summary>Makes the world.</summary>
    public static async Task<EdgeNetwork> MakeAsync()
    {
        var world = new EdgeNetwork(await NetworkNamespace.MakeAsync(), await NetworkNamespace.MakeAsync(), await NetworkNamespace.MakeAsync());
        using var edge = await world.Edge.RunAsync(static () => new RouteSocket());
        using var outside = await world.Outside.RunAsync(static () => new RouteSocket());
        using var container = await world.ContainerSpace.RunAsync(static () => new RouteSocket());
        foreach (var space in new[] { edge, outside, container }) space.SetUp(space.Find("lo")!.Index);

        edge.MakeVeth("up0", "eth0", world.Outside.File, 1400, 0);
        Configure(outside, "eth0", Router, 24);
        Configure(outside, "lo", Server, 32);
        Configure(outside, "lo", Metadata, 32);
        var up = Configure(edge, "up0", Host, 24);
        edge.AddRoute(Ipv4Subnet.All, Number(Router), up);

        edge.MakeBridge("br0");
        edge.MakeVeth("port0", "eth0", world.ContainerSpace.File, 1500, 0);
        edge.SetMaster(edge.Find("port0")!.Index, Configure(edge, "br0", Bridge, 16));
        edge.SetUp(edge.Find("port0")!.Index);
        container.AddRoute(Ipv4Subnet.All, Number(Bridge), Configure(container, "eth0", Container, 16));

        // As a host that has never forwarded anything.
        await world.Edge.RunAsync(static () =>
        {
            File.WriteAllText("/proc/sys/net/ipv4/ip_forward", "0");
            return true;
        });
        foreach (var (space, datagrams) in new[] { (world.Edge, "0.0.0.0"), (world.Outside, Server), (world.ContainerSpace, Container) }) world._servers.Add(await EchoServer.StartAsync(space, Port, datagrams));
        world._servers.Add(await NameServer.StartAsync(world.Outside, Router, Server));
        return world;
    }

    /// <summary>A daemon in <see cref="Edge"/>.</summary>
    public Task<StintDaemon> StartDaemonAsync(DaemonSetup? setup = null, params string[] flags) =>
        StintDaemon.StartAsync((setup ?? new DaemonSetup()) with { Namespace = Edge, Flags = ["--network-dns", Router, .. flags] });

    /// <summary>A daemon in <see cref="Edge"/> that is expected to refuse to start.</summary>
    public async Task<Finished> StartAndFailAsync(params string[] flags)
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            File.SetUnixFileMode(root, (UnixFileMode)0b111_101_101);
            return await Programs.RunAsync([.. NamespaceRelay.Enter(Edge), .. Programs.Stint, "up", "--registry", $"{root}/f", "--state", $"{root}/s", "--run", $"{root}/r",
                "--http-port", "0", "--management-port", "0", "--coap-port", "-1", "--grpc-port", "-1", .. flags], root);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    /// <summary>Runs a program of the host inside a namespace.</summary>
    public static async Task<string> RunAsync(NetworkNamespace space, params string[] command) => (await Programs.RunAsync([.. NamespaceRelay.Enter(space), .. command], "/")).Good();

    /// <summary>What a program of the edge host gets from a server: the address that the server saw, or the error.</summary>
    public static async Task<string> AskAsync(NetworkNamespace from, string address, int port = Port)
    {
        using var socket = await from.RunAsync(static () => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        try
        {
            await socket.ConnectAsync(IPAddress.Parse(address), port);
            var buffer = new byte[100];
            return System.Text.Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer));
        }
        catch (SocketException failure)
        {
            return failure.SocketErrorCode.ToString();
        }
    }

    /// <summary>The names of the links on the edge host, without those of the test's world.</summary>
    public async Task<IReadOnlyList<string>> LinksAsync()
    {
        using var edge = await Edge.RunAsync(static () => new RouteSocket());
        return [.. edge.List().Select(static link => link.Name).Except(["lo", "up0", "br0", "port0"]).Order(StringComparer.Ordinal)];
    }

    /// <summary>What the edge host's switch for forwarding says.</summary>
    public Task<string> ForwardingAsync() => Edge.RunAsync(static () => File.ReadAllText("/proc/sys/net/ipv4/ip_forward").Trim());

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers) await server.DisposeAsync();
        Edge.Dispose();
        Outside.Dispose();
        ContainerSpace.Dispose();
    }

    /// <summary>An address as a number.</summary>
    public static uint Number(string address) => Ipv4Subnet.Number(IPAddress.Parse(address));

    private static int Configure(RouteSocket space, string link, string address, int prefixLength)
    {
        var index = space.Find(link)!.Index;
        space.AddAddress(index, Number(address), prefixLength);
        space.SetUp(index);
        return index;
    }
}
