using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Stint.Coap.Transport;

/// <summary>
/// One UDP socket of the server. On Linux a socket that listens on all addresses learns from each datagram which of them it was sent to, and answers from there
/// (<c>IPV6_PKTINFO</c>, ipv6(7)): a host with several addresses would otherwise answer from the one that its routes prefer, and the client would not know it.
/// </summary>
internal sealed unsafe partial class UdpSocket : IDisposable
{
    /// <summary>What the kernel may queue while the loops are busy, bytes; it cuts this down to net.core.rmem_max. Arbitrary: some thousand small datagrams.</summary>
    private const int KernelBuffer = 4 << 20;

    // From linux/in.h, linux/in6.h and linux/ipv6.h; the same on every architecture.
    private const int LevelIp = 0;
    private const int LevelIpv6 = 41;
    private const int IpMulticastAll = 49;
    private const int Ipv6MulticastAll = 29;
    private const int Ipv6ReceivePacketInfo = 49;
    private const int Ipv6PacketInfo = 50;
    private const int Interrupted = 4;

    /// <summary>struct in6_pktinfo: address 16, interface 4.</summary>
    private const int PacketInfoSize = 20;

    /// <summary>struct sockaddr_in6.</summary>
    private const int AddressSize = 28;

    [ThreadStatic]
    private static SocketAddress? t_address4;

    [ThreadStatic]
    private static SocketAddress? t_address6;

    private readonly Socket _socket;
    private readonly bool _knowsTarget;

    /// <summary>Opens the socket and binds it.</summary>
    /// <exception cref="SocketException">The address cannot be used.</exception>
    public UdpSocket(IPAddress address, int port)
    {
        // A host without IPv6 still has all its IPv4 addresses.
        if (address.Equals(IPAddress.IPv6Any) && !Socket.OSSupportsIPv6) address = IPAddress.Any;
        var isIPv6 = address.AddressFamily == AddressFamily.InterNetworkV6;
        _socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (isIPv6) _socket.DualMode = address.Equals(IPAddress.IPv6Any);
            _socket.ReceiveBufferSize = KernelBuffer;
            _socket.SendBufferSize = KernelBuffer;
            if (OperatingSystem.IsLinux())
            {
                // Without this a socket on all addresses also gets what was sent to groups that others on this host have joined, and would take it for unicast.
                SetOption(LevelIp, IpMulticastAll, 0);
                if (isIPv6) SetOption(LevelIpv6, Ipv6MulticastAll, 0);
                if (address.Equals(IPAddress.IPv6Any)) _knowsTarget = SetOption(LevelIpv6, Ipv6ReceivePacketInfo, 1);
            }

            _socket.Bind(new IPEndPoint(address, port));
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>Takes over a socket that is bound already.</summary>
    public UdpSocket(Socket bound) => _socket = bound;

    public IPEndPoint EndPoint => (IPEndPoint)_socket.LocalEndPoint!;

    /// <summary>Whether peers of this family can be reached through it.</summary>
    public bool Reaches(AddressFamily family) => _socket.AddressFamily == family || (family == AddressFamily.InterNetwork && _socket.DualMode);

    /// <summary>Whether other sockets may be bound to the same port.</summary>
    public void Share(bool allowed) => _socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, allowed);

    /// <summary>Waits for a datagram; returns its length. Several threads may wait at once.</summary>
    /// <param name="buffer">Where it goes.</param>
    /// <param name="scratch">An address object of the calling thread, of this socket's family.</param>
    /// <param name="index">What the server calls the socket by which answers leave.</param>
    /// <param name="peer">Who sent it.</param>
    /// <exception cref="SocketException">Nothing was received.</exception>
    public int Receive(Span<byte> buffer, SocketAddress scratch, ushort index, out Peer peer)
    {
        if (_knowsTarget) return ReceiveWithTarget(buffer, index, out peer);
        var length = _socket.ReceiveFrom(buffer, SocketFlags.None, scratch);
        peer = Read(scratch.Buffer.Span, scratch.Family, index);
        return length;
    }

    /// <summary>An address object for <see cref="Receive"/>.</summary>
    public SocketAddress CreateScratch() => new(_socket.AddressFamily);

    /// <summary>Sends a datagram.</summary>
    /// <exception cref="SocketException">It was not sent.</exception>
    public void Send(in Peer peer, ReadOnlySpan<byte> datagram)
    {
        if (peer.HasTarget && _knowsTarget && !peer.IsTargetMulticast) SendFromTarget(peer, datagram);
        else _socket.SendTo(datagram, SocketFlags.None, Fill(peer, _socket.AddressFamily));
    }

    /// <summary>Closes it; threads that wait in <see cref="Receive"/> return with an error.</summary>
    public void Dispose() => _socket.Dispose();

    private int ReceiveWithTarget(Span<byte> buffer, ushort index, out Peer peer)
    {
        Span<byte> name = stackalloc byte[AddressSize];
        Span<byte> control = stackalloc byte[128];
        fixed (byte* bufferAt = buffer, nameAt = name, controlAt = control)
        {
            var data = new IoVector { Base = bufferAt, Length = (nuint)buffer.Length };
            var message = new MessageHead { Name = nameAt, NameLength = AddressSize, Vectors = &data, VectorCount = 1, Control = controlAt, ControlLength = (nuint)control.Length };
            nint length;
            do length = ReceiveMessage(_socket.SafeHandle, &message, 0);
            while (length < 0 && Marshal.GetLastPInvokeError() == Interrupted);
            if (length < 0) throw LastError("recvmsg");
            peer = Read(name, AddressFamily.InterNetworkV6, index);
            if (TryFindTarget(control[..(int)message.ControlLength], out var target))
                peer = peer with { TargetHigh = BinaryPrimitives.ReadUInt64BigEndian(target), TargetLow = BinaryPrimitives.ReadUInt64BigEndian(target[8..]) };
            return (int)length;
        }
    }

    private void SendFromTarget(in Peer peer, ReadOnlySpan<byte> datagram)
    {
        Span<byte> name = stackalloc byte[AddressSize];
        Span<byte> control = stackalloc byte[Align(sizeof(ControlHead)) + Align(PacketInfoSize)];
        name.Clear();
        control.Clear();
        BitConverter.TryWriteBytes(name, (ushort)AddressFamilyInet6);
        Write(peer, name);
        var info = control[Align(sizeof(ControlHead))..];
        BinaryPrimitives.WriteUInt64BigEndian(info, peer.TargetHigh);
        BinaryPrimitives.WriteUInt64BigEndian(info[8..], peer.TargetLow);

        // A link-local source is one only together with its interface; else the routes choose the way.
        BitConverter.TryWriteBytes(info[16..], peer.Scope);
        fixed (byte* datagramAt = datagram, nameAt = name, controlAt = control)
        {
            *(ControlHead*)controlAt = new ControlHead { Length = (nuint)(Align(sizeof(ControlHead)) + PacketInfoSize), Level = LevelIpv6, Type = Ipv6PacketInfo };
            var data = new IoVector { Base = datagramAt, Length = (nuint)datagram.Length };
            var message = new MessageHead { Name = nameAt, NameLength = AddressSize, Vectors = &data, VectorCount = 1, Control = controlAt, ControlLength = (nuint)control.Length };
            nint sent;
            do sent = SendMessage(_socket.SafeHandle, &message, 0);
            while (sent < 0 && Marshal.GetLastPInvokeError() == Interrupted);
            if (sent < 0) throw LastError("sendmsg");
        }
    }

    // The number is errno, which SocketException takes for one of Windows; the text says what it is.
    private static SocketException LastError(string call)
    {
        var error = Marshal.GetLastPInvokeError();
        return new SocketException((int)SocketError.SocketError, $"{call}: {Marshal.GetPInvokeErrorMessage(error)} (errno {error})");
    }

    private static bool TryFindTarget(ReadOnlySpan<byte> control, out ReadOnlySpan<byte> target)
    {
        target = default;
        while (control.Length >= sizeof(ControlHead))
        {
            var head = MemoryMarshal.Read<ControlHead>(control);
            if (head.Length < (nuint)sizeof(ControlHead) || head.Length > (nuint)control.Length) return false;
            if (head is { Level: LevelIpv6, Type: Ipv6PacketInfo } && head.Length >= (nuint)(Align(sizeof(ControlHead)) + PacketInfoSize))
            {
                target = control.Slice(Align(sizeof(ControlHead)), 16);
                return true;
            }

            control = control[Math.Min(control.Length, Align((int)head.Length))..];
        }

        return false;
    }

    /// <summary>CMSG_ALIGN of cmsg(3).</summary>
    private static int Align(int length) => (length + sizeof(nuint) - 1) & ~(sizeof(nuint) - 1);

    private bool SetOption(int level, int option, int value)
    {
        try
        {
            _socket.SetRawSocketOption(level, option, BitConverter.GetBytes(value));
            return true;
        }
        catch (SocketException)
        {
            // An old kernel, or a sandbox that imitates one: the socket works without.
            return false;
        }
    }

    // struct sockaddr_in: family 2, port 2 (big endian), address 4; sockaddr_in6: family 2, port 2, flow 4, address 16, scope 4 (host order). See ip(7), ipv6(7).
    private static Peer Read(ReadOnlySpan<byte> address, AddressFamily family, ushort index)
    {
        var port = BinaryPrimitives.ReadUInt16BigEndian(address[2..]);
        return family == AddressFamily.InterNetwork
            ? new Peer(0, 0xffff_0000_0000UL | BinaryPrimitives.ReadUInt32BigEndian(address[4..]), 0, port, index)
            : new Peer(BinaryPrimitives.ReadUInt64BigEndian(address[8..]), BinaryPrimitives.ReadUInt64BigEndian(address[16..]), BitConverter.ToUInt32(address[24..]), port, index);
    }

    private static void Write(in Peer peer, Span<byte> address)
    {
        BinaryPrimitives.WriteUInt16BigEndian(address[2..], peer.Port);
        peer.WriteAddress(address[8..]);
        BitConverter.TryWriteBytes(address[24..], peer.Scope);
    }

    private static SocketAddress Fill(in Peer peer, AddressFamily family)
    {
        if (family == AddressFamily.InterNetworkV6)
        {
            var address6 = t_address6 ??= new SocketAddress(AddressFamily.InterNetworkV6);
            Write(peer, address6.Buffer.Span);
            return address6;
        }

        var address4 = t_address4 ??= new SocketAddress(AddressFamily.InterNetwork);
        var bytes = address4.Buffer.Span;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], peer.Port);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[4..], (uint)peer.Low);
        return address4;
    }

    private const int AddressFamilyInet6 = 10;

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    private static partial nint ReceiveMessage(SafeSocketHandle socket, MessageHead* message, int flags);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint SendMessage(SafeSocketHandle socket, MessageHead* message, int flags);

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct IoVector
    {
        public void* Base;
        public nuint Length;
    }

    /// <summary>struct msghdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHead
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary>struct cmsghdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct ControlHead
    {
        public nuint Length;
        public int Level;
        public int Type;
    }
}
