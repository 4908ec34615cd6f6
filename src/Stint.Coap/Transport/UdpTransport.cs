using System.Net;
using System.Net.Sockets;

namespace Stint.Coap.Transport;

/// <summary>What takes the datagrams that come in.</summary>
internal delegate void DatagramReceiver(in Peer peer, ReadOnlySpan<byte> datagram, bool multicast);

/// <summary>
/// The sockets of the server. Each is read by a few threads that block in the system call: one call and no allocation per datagram, and the handler starts on the
/// thread that read its request. Answers leave through the socket that the request came in by.
/// </summary>
internal sealed class UdpTransport : IDatagramSender, IDisposable
{
    private const int LargestDatagram = 65_535;

    private readonly List<UdpSocket> _sockets = [];
    private readonly List<(UdpSocket Socket, ushort AnswerBy)> _groups = [];
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
                var socket = new UdpSocket(address, port);
                _sockets.Add(socket);
                port = socket.EndPoint.Port;
            }

            if (options.Multicast) JoinGroups(port);
        }
        catch
        {
            Dispose();
            throw;
        }

        EndPoints = [.. _sockets.Select(socket => socket.EndPoint)];
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
        try
        {
            _sockets[peer.Socket].Send(peer, datagram);
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

    // A socket of a group may share the port only with sockets that allow it. Ours allow it for this moment and not when they are bound, so that a port that
    // another program has is still an error, and nobody can share it later.
    private void JoinGroups(int port)
    {
        foreach (var socket in _sockets) socket.Share(allowed: true);
        foreach (var (socket, answerBy) in MulticastGroups.Join(port, AnswersFor, _options.OnFault)) _groups.Add((new UdpSocket(socket), answerBy));
        foreach (var socket in _sockets) socket.Share(allowed: false);
    }

    /// <summary>Which socket can answer peers of a family; null when none can.</summary>
    private ushort? AnswersFor(AddressFamily family)
    {
        var index = _sockets.FindIndex(socket => socket.Reaches(family));
        return index < 0 ? null : (ushort)index;
    }

    private void StartLoop(UdpSocket socket, ushort answerBy, DatagramReceiver receiver, bool multicast)
    {
        var thread = new Thread(() => Loop(socket, answerBy, receiver, multicast)) { IsBackground = true, Name = multicast ? "coap multicast" : "coap" };
        _threads.Add(thread);
        thread.Start();
    }

    private void Loop(UdpSocket socket, ushort answerBy, DatagramReceiver receiver, bool multicast)
    {
        var buffer = GC.AllocateUninitializedArray<byte>(LargestDatagram, pinned: true);
        var scratch = socket.CreateScratch();
        while (!_closed)
        {
            try
            {
                var length = socket.Receive(buffer, scratch, answerBy, out var peer);
                if (_closed) break;
                receiver(peer, buffer.AsSpan(0, length), multicast);
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
}
