using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Stint.Coap.Transport;

/// <summary>What takes the datagrams that come in.</summary>
internal delegate void DatagramReceiver(in Peer peer, ReadOnlySpan<byte> datagram, bool multicast);

/// <summary>
/// The sockets of the server. Each is read by a few threads that block in <c>recvfrom</c>: one system call and no allocation per datagram, and the handler starts on
/// the thread that read its request. Answers leave through the socket that the request came in by.
/// </summary>
internal sealed class UdpTransport : IDatagramSender, IDisposable
{
    /// <summary>What the kernel may queue while the loops are busy, bytes; it cuts this down to net.core.rmem_max. Arbitrary: some thousand small datagrams.</summary>
    private const int KernelBuffer = 4 << 20;

    private const int LargestDatagram = 65_535;

    [ThreadStatic]
    private static SocketAddress? t_address4;

    [ThreadStatic]
    private static SocketAddress? t_address6;

    private readonly List<Socket> _sockets = [];
    private readonly List<(Socket Socket, ushort AnswerBy)> _groups = [];
    private readonly List<Thread> _threads = [];
    private readonly CoapServerOptions _options;
    private volatile bool _closed;

    /// <summary>Opens the sockets; nothing is read yet.</summary>
    /// <exception cref="SocketException">An address cannot be used, for instance because the port is taken.</exception>
    public UdpTransport(CoapServerOptions options)
    {
        _options = options;
        var port = options.Port;
        try
        {
            foreach (var address in options.Addresses)
            {
                var socket = Open(address, port);
                _sockets.Add(socket);
                port = ((IPEndPoint)socket.LocalEndPoint!).Port;
            }

            if (options.Multicast) JoinGroups(port);
        }
        catch
        {
            Dispose();
            throw;
        }

        EndPoints = [.. _sockets.Select(socket => (IPEndPoint)socket.LocalEndPoint!)];
    }

    /// <summary>Where the server listens.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints { get; }

    /// <summary>Starts the receive loops.</summary>
    public void Start(DatagramReceiver receiver)
    {
        for (var i = 0; i < _sockets.Count; i++)
        {
            for (var loop = 0; loop < _options.ReceiveLoops; loop++) StartLoop(_sockets[i], (ushort)i, receiver, multicast: false);
        }

        foreach (var (socket, answerBy) in _groups) StartLoop(socket, answerBy, receiver, multicast: true);
    }

    /// <inheritdoc/>
    public void Send(in Peer peer, ReadOnlySpan<byte> datagram)
    {
        var socket = _sockets[peer.Socket];
        try
        {
            socket.SendTo(datagram, SocketFlags.None, Fill(peer, socket.AddressFamily));
        }
        catch (Exception lost) when (lost is SocketException or ObjectDisposedException)
        {
            // No route, a full buffer, a firewall, or the server has stopped: UDP may lose it, and whoever needs it asks again.
        }
    }

    /// <summary>Closes the sockets and waits for the loops to end.</summary>
    public void Dispose()
    {
        _closed = true;
        foreach (var socket in _sockets) socket.Dispose();
        foreach (var (socket, _) in _groups) socket.Dispose();
        foreach (var thread in _threads) thread.Join();
    }

    private static Socket Open(IPAddress address, int port)
    {
        // A host without IPv6 still has all its IPv4 addresses.
        if (address.Equals(IPAddress.IPv6Any) && !Socket.OSSupportsIPv6) address = IPAddress.Any;
        var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (address.AddressFamily == AddressFamily.InterNetworkV6) socket.DualMode = address.Equals(IPAddress.IPv6Any);
            socket.ReceiveBufferSize = KernelBuffer;
            socket.SendBufferSize = KernelBuffer;
            socket.Bind(new IPEndPoint(address, port));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // A socket of a group may share the port only with sockets that allow it. Ours allow it for this moment and not when they are bound, so that a port that
    // another program has is still an error, and nobody can share it later.
    private void JoinGroups(int port)
    {
        foreach (var socket in _sockets) socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _groups.AddRange(MulticastGroups.Join(port, AnswersFor, _options.OnFault));
        foreach (var socket in _sockets) socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, false);
    }

    /// <summary>Which socket can answer peers of a family; null when none can.</summary>
    private ushort? AnswersFor(AddressFamily family)
    {
        var index = _sockets.FindIndex(socket => socket.AddressFamily == family || (family == AddressFamily.InterNetwork && socket.DualMode));
        return index < 0 ? null : (ushort)index;
    }

    private void StartLoop(Socket socket, ushort answerBy, DatagramReceiver receiver, bool multicast)
    {
        var thread = new Thread(() => Loop(socket, answerBy, receiver, multicast)) { IsBackground = true, Name = multicast ? "coap multicast" : "coap" };
        _threads.Add(thread);
        thread.Start();
    }

    private void Loop(Socket socket, ushort answerBy, DatagramReceiver receiver, bool multicast)
    {
        var buffer = GC.AllocateUninitializedArray<byte>(LargestDatagram, pinned: true);
        var from = new SocketAddress(socket.AddressFamily);
        while (!_closed)
        {
            try
            {
                var length = socket.ReceiveFrom(buffer, SocketFlags.None, from);
                if (_closed) break;
                receiver(Read(from, answerBy), buffer.AsSpan(0, length), multicast);
            }
            catch (Exception end) when (_closed && end is SocketException or ObjectDisposedException)
            {
                break;
            }
            catch (SocketException fault) when (fault.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionRefused or SocketError.MessageSize)
            {
                // An earlier answer found nobody at its port, or a datagram was cut: neither concerns the next one.
            }
            catch (Exception fault)
            {
                _options.OnFault?.Invoke("receiving a datagram", fault);
            }
        }
    }

    // struct sockaddr_in:  family 2, port 2 (big endian), address 4;  sockaddr_in6: family 2, port 2, flow 4, address 16, scope 4 (host order). See ip(7), ipv6(7).
    private static Peer Read(SocketAddress address, ushort socket)
    {
        var bytes = address.Buffer.Span;
        var port = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        return address.Family == AddressFamily.InterNetwork
            ? new Peer(0, 0xffff_0000_0000UL | BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]), 0, port, socket)
            : new Peer(BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]), BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]), BitConverter.ToUInt32(bytes[24..]), port, socket);
    }

    private static SocketAddress Fill(in Peer peer, AddressFamily family)
    {
        if (family == AddressFamily.InterNetwork)
        {
            var address4 = t_address4 ??= new SocketAddress(AddressFamily.InterNetwork);
            var bytes4 = address4.Buffer.Span;
            BinaryPrimitives.WriteUInt16BigEndian(bytes4[2..], peer.Port);
            BinaryPrimitives.WriteUInt32BigEndian(bytes4[4..], (uint)peer.Low);
            return address4;
        }

        var address6 = t_address6 ??= new SocketAddress(AddressFamily.InterNetworkV6);
        var bytes = address6.Buffer.Span;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], peer.Port);
        peer.WriteAddress(bytes[8..]);
        BitConverter.TryWriteBytes(bytes[24..], peer.Scope);
        return address6;
    }
}
