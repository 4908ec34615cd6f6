using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Stint.Coap.Discovery;
using Stint.Coap.Messages;
using Stint.Coap.Tests.Support;

namespace Stint.Coap.Tests.Transport;

/// <summary>The server with real sockets.</summary>
public sealed class CoapServerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CoapMessage Get(string path, ushort id, CoapMessageType type = CoapMessageType.Confirmable, byte[]? payload = null) => new()
    {
        Type = type,
        Code = payload is null ? CoapCode.Get : CoapCode.Post,
        MessageId = id,
        Token = new CoapToken(BitConverter.GetBytes(id)),
        Options = [.. path.Split('/').Select(segment => CoapOption.OfText(OptionNumber.UriPath, segment))],
        Payload = payload ?? [],
    };

    private static async Task<CoapMessage> Exchange(Socket socket, EndPoint server, CoapMessage request)
    {
        await socket.SendToAsync(request.ToArray(), SocketFlags.None, server);
        var buffer = new byte[2048];
        using var limit = new CancellationTokenSource(Patience, TimeProvider.System);
        var received = await socket.ReceiveFromAsync(buffer.AsMemory(), SocketFlags.None, new IPEndPoint(server.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0), limit.Token);
        Assert.True(CoapMessage.TryParse(buffer.AsSpan(0, received.ReceivedBytes), out var answer));
        return answer;
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task A_server_on_all_addresses_answers_both_families(string address)
    {
        await using var server = new CoapServer(new CoapServerOptions { Port = 0 }, new TestResources());
        server.Start();
        var endPoint = new IPEndPoint(IPAddress.Parse(address), server.EndPoints[0].Port);
        if (endPoint.AddressFamily == AddressFamily.InterNetworkV6 && !Socket.OSSupportsIPv6) return;
        using var socket = new Socket(endPoint.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        var answer = await Exchange(socket, endPoint, Get("a", 1, payload: [1, 2]));
        Assert.Equal(new byte[] { 1, 2 }, answer.Payload.ToArray());
    }

    [Fact]
    public async Task A_server_on_all_addresses_answers_from_the_one_that_was_spoken_to()
    {
        await using var server = new CoapServer(new CoapServerOptions { Port = 0 }, new TestResources());
        server.Start();

        // The route to 127.0.0.1 prefers 127.0.0.1 as source; a connected socket takes answers from 127.0.0.2 only.
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await socket.ConnectAsync(IPAddress.Parse("127.0.0.2"), server.EndPoints[0].Port);
        await socket.SendAsync(Get("a", 1).ToArray(), SocketFlags.None);
        using var limit = new CancellationTokenSource(Patience, TimeProvider.System);
        Assert.True(await socket.ReceiveAsync(new byte[100].AsMemory(), SocketFlags.None, limit.Token) > 0);
    }

    [Fact]
    public async Task Many_clients_are_served_by_several_loops_and_every_request_runs_once()
    {
        var resources = new TestResources();
        await using var server = new CoapServer(new CoapServerOptions { Addresses = [IPAddress.Loopback], Port = 0, ReceiveLoops = 4 }, resources);
        server.Start();
        await Task.WhenAll(Enumerable.Range(0, 32).Select(client => Task.Run(async () =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            for (ushort id = 1; id <= 50; id++)
            {
                byte[] payload = [(byte)client, (byte)id];
                var answer = await Exchange(socket, server.EndPoints[0], Get("a", id, payload: payload));
                Assert.Equal(payload, answer.Payload.ToArray());
            }
        })));
        Assert.Equal(32 * 50, resources.Runs);
        Assert.Equal(32 * 50, server.Counters[CoapEvent.Response]);
    }

    [Fact]
    public async Task A_stopped_server_frees_its_port_and_a_taken_port_is_an_error()
    {
        // Another test's socket may be given the port in between; not every time.
        for (var tries = 1; ; tries++)
        {
            var first = new CoapServer(new CoapServerOptions { Addresses = [IPAddress.Loopback], Port = 0 }, new TestResources());
            first.Start();
            var options = new CoapServerOptions { Addresses = [IPAddress.Loopback], Port = first.EndPoints[0].Port };
            Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(() => new CoapServer(options, new TestResources())).SocketErrorCode);

            await first.DisposeAsync().AsTask().WaitAsync(Patience, TimeProvider.System);
            await first.DisposeAsync();
            try
            {
                await using var second = new CoapServer(options, new TestResources());
                return;
            }
            catch (SocketException taken) when (taken.SocketErrorCode == SocketError.AddressAlreadyInUse && tries < 10)
            {
                // once more
            }
        }
    }

    [Fact]
    public async Task A_server_with_multicast_shares_its_port_with_nobody()
    {
        await using var first = new CoapServer(new CoapServerOptions { Port = 0, Multicast = true }, new TestResources());
        var options = new CoapServerOptions { Port = first.EndPoints[0].Port, Multicast = true };
        Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(() => new CoapServer(options, new TestResources())).SocketErrorCode);
    }

    [Fact]
    public void Options_out_of_range_are_refused_by_name()
    {
        var error = Assert.Throws<ArgumentException>(() => new CoapServer(new CoapServerOptions { BlockSize = 1000 }, new TestResources()));
        Assert.Equal("CoAP server options: BlockSize must be a power of two from 16 to 1,024.", error.Message);
    }

    [Fact]
    public async Task Discovery_works_over_multicast_on_every_interface_that_has_it()
    {
        var interfaces = NetworkInterface.GetAllNetworkInterfaces()
            .Where(network => network is { OperationalStatus: OperationalStatus.Up, SupportsMulticast: true, NetworkInterfaceType: not NetworkInterfaceType.Loopback }
                && network.GetIPProperties().UnicastAddresses.Any(address => address.Address.AddressFamily == AddressFamily.InterNetwork))
            .ToArray();
        var faults = new List<string>();
        var resources = new TestResources { Links = [new CoapLink { Path = "/echo" }] };
        await using var server = new CoapServer(
            new CoapServerOptions { Port = 0, Multicast = true, Leisure = TimeSpan.FromMilliseconds(50), OnFault = (doing, fault) => faults.Add($"{doing}: {fault.Message}") }, resources);
        server.Start();
        Assert.DoesNotContain(faults, fault => interfaces.Any(network => fault.Contains(network.Name, StringComparison.Ordinal)));
        foreach (var network in interfaces)
        {
            var address = network.GetIPProperties().UnicastAddresses.First(a => a.Address.AddressFamily == AddressFamily.InterNetwork).Address;
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(address, 0));
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, address.GetAddressBytes());
            socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastLoopback, true);
            var group = new IPEndPoint(IPAddress.Parse("224.0.1.187"), server.EndPoints[0].Port);
            var answer = await Exchange(socket, group, Get(".well-known/core", 9, CoapMessageType.NonConfirmable));
            Assert.Equal("</echo>"u8, answer.Payload.Span);
            Assert.Equal(CoapMessageType.NonConfirmable, answer.Type);

            // Taken for unicast, this would be answered with an error.
            await socket.SendToAsync(Get("echo", 10, CoapMessageType.NonConfirmable).ToArray(), SocketFlags.None, group);
            answer = await Exchange(socket, group, Get(".well-known/core", 11, CoapMessageType.NonConfirmable));
            Assert.Equal("</echo>"u8, answer.Payload.Span);
            Assert.Equal(0, resources.Runs);
        }
    }
}
