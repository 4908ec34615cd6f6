using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Stint.Coap.Transport;

/// <summary>
/// The other endpoint of an exchange: address and port, IPv4 as IPv4-mapped IPv6, and the socket of ours that it spoke to.
/// A value without references, so that a flood of sources allocates nothing.
/// </summary>
/// <param name="High">The upper half of the IPv6 address.</param>
/// <param name="Low">The lower half.</param>
/// <param name="Scope">The interface of a link-local address, else 0.</param>
/// <param name="Port">UDP port.</param>
/// <param name="Socket">Which of the server's sockets; answers leave through it.</param>
internal readonly record struct Peer(ulong High, ulong Low, uint Scope, ushort Port, ushort Socket)
{
    /// <summary>The upper half of the address of ours that it spoke to; answers leave from there. 0 where the socket has only one.</summary>
    public ulong TargetHigh { get; init; }

    /// <summary>The lower half.</summary>
    public ulong TargetLow { get; init; }

    /// <summary>Whether the address of ours is known.</summary>
    public bool HasTarget => (TargetHigh | TargetLow) != 0;

    /// <summary>Whether it is a group's, IPv4 224.0.0.0/4 or IPv6 ff00::/8, from where nobody can send.</summary>
    public bool IsTargetMulticast => TargetHigh >> 56 == 0xff || (TargetHigh == 0 && TargetLow >> 28 == (MappedPrefix >> 28) + 0xe);

    private const ulong MappedPrefix = 0x0000_ffff_0000_0000;

    /// <summary>Whether the address is IPv4.</summary>
    public bool IsIPv4 => High == 0 && (Low & 0xffff_ffff_0000_0000) == MappedPrefix;

    /// <summary>127.0.0.0/8 or ::1. The kernel drops packets from the network that claim to come from there, so it cannot be spoofed.</summary>
    public bool IsLoopback => IsIPv4 ? (byte)(Low >> 24) == 127 : High == 0 && Low == 1;

    /// <summary>The peer of an address.</summary>
    public static Peer From(IPEndPoint endPoint, ushort socket = 0)
    {
        Span<byte> bytes = stackalloc byte[16];
        endPoint.Address.MapToIPv6().TryWriteBytes(bytes, out _);
        var scope = endPoint.Address.AddressFamily == AddressFamily.InterNetworkV6 ? (uint)endPoint.Address.ScopeId : 0;
        return new Peer(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]), scope, (ushort)endPoint.Port, socket);
    }

    /// <summary>The same as an object; IPv4 comes out as IPv4.</summary>
    public IPEndPoint ToEndPoint()
    {
        Span<byte> bytes = stackalloc byte[16];
        WriteAddress(bytes);
        return new IPEndPoint(IsIPv4 ? new IPAddress(bytes[12..]) : new IPAddress(bytes, Scope), Port);
    }

    /// <summary>Writes the 16 bytes of the address.</summary>
    public void WriteAddress(Span<byte> target)
    {
        BinaryPrimitives.WriteUInt64BigEndian(target, High);
        BinaryPrimitives.WriteUInt64BigEndian(target[8..], Low);
    }

    /// <inheritdoc/>
    public override string ToString() => ToEndPoint().ToString();
}
