using System.Net.Sockets;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Sandbox;

/// <summary>In the process sandbox.</summary>
public sealed class SandboxNetworkTests(SandboxDaemon shared) : NetworkTests(shared), IClassFixture<SandboxDaemon>
{
    private readonly SandboxDaemon _shared = shared;

    [Fact]
    public async Task A_vsock_is_refused() =>
        Assert.Equal("PermissionError", await _shared.AttackAsync("import socket\ntry:\n    socket.socket(40)\n    result = 'made'\nexcept OSError as e: result = type(e).__name__", "networked"));
}

/// <summary>What a function reaches of the network, and that it never reaches management.</summary>
public abstract class NetworkTests(SandboxDaemon shared)
{
    private const string Connect = """
        import socket
        result = []
        for family, address in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
            s = socket.socket(family)
            s.settimeout(5)
            try:
                s.connect((address, PORT))
                s.sendall(b'GET /list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
                data = b''
                while True:
                    piece = s.recv(65536)
                    if not piece: break
                    data += piece
                result.append(data.decode().split('\r\n')[0])
            except OSError as e: result.append(type(e).__name__)
        result = ' | '.join(result)
        """;

    private StintDaemon Daemon => shared.Daemon;

    /// <summary>What becomes of connections to 127.0.0.1 and ::1 when nobody listens there.</summary>
    protected virtual string NothingListens => "ConnectionRefusedError | ConnectionRefusedError";

    [Fact]
    public async Task Without_network_there_is_nothing_but_its_own_loopback()
    {
        Assert.Equal("['lo']", await shared.AttackAsync("import socket\nresult = [n for _, n in socket.if_nameindex()]", "offline"));
        Assert.Equal("OSError 101", await shared.AttackAsync("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ntry:\n    s.connect(('192.0.2.1', 53))\n    result = 'connected'\nexcept OSError as e: result = f'OSError {e.errno}'", "offline"));
    }

    [Fact]
    public async Task Without_the_hosts_network_its_loopback_is_out_of_reach()
    {
        foreach (var function in new[] { "offline", "attacker" })
            foreach (var port in new[] { Daemon.HttpPort, Daemon.ManagementPort })
                Assert.Equal(NothingListens, await shared.AttackAsync(Connect.Replace("PORT", $"{port}", StringComparison.Ordinal), function));
    }

    [Fact]
    public async Task The_hosts_abstract_sockets_are_out_of_reach()
    {
        static Socket Make() => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var listener = shared.Namespace is { } space ? await space.RunAsync(Make) : Make();
        var name = $"stint-e2e-{Guid.NewGuid():N}";
        listener.Bind(new UnixDomainSocketEndPoint("\0" + name));
        listener.Listen();
        foreach (var function in new[] { "offline", "attacker" })
            Assert.Equal("refused", await shared.AttackAsync($"import socket\ntry:\n    socket.socket(socket.AF_UNIX).connect('\\0{name}')\n    result = 'connected'\nexcept OSError: result = 'refused'", function));
        Assert.Equal("connected", await shared.AttackAsync($"import socket\nsocket.socket(socket.AF_UNIX).connect('\\0{name}')\nresult = 'connected'", "networked"));
    }

    [Fact]
    public async Task With_the_hosts_network_it_reaches_the_host_but_never_management()
    {
        var invocation = await shared.AttackAsync(Connect.Replace("PORT", $"{Daemon.HttpPort}", StringComparison.Ordinal), "networked");
        Assert.Equal("HTTP/1.1 404 Not Found | HTTP/1.1 404 Not Found", invocation);
        var management = await shared.AttackAsync(Connect.Replace("PORT", $"{Daemon.ManagementPort}", StringComparison.Ordinal), "networked");
        Assert.DoesNotContain("200", management, StringComparison.Ordinal);
        Assert.Equal(200, (await Daemon.ManageAsync("list")).Status);
    }
}
