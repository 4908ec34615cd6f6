using System.Net;
using System.Net.Sockets;

namespace Stint.Network;

/// <summary>Addresses that mean this host itself, its link, or no single host: not for URLs that strangers name.</summary>
internal static class LocalAddress
{
    /// <summary>Whether an address is one; IPv4 is recognised in all the clothes that it has in IPv6.</summary>
    public static bool Is(IPAddress address)
    {
        address = Plain(address);
        if (IPAddress.IsLoopback(address) || address.IsIPv6LinkLocal || address.IsIPv6Multicast || address.IsIPv6SiteLocal || address.Equals(IPAddress.IPv6Any)) return true;
        if (address.AddressFamily != AddressFamily.InterNetwork) return false;
        var bytes = address.GetAddressBytes();
        // 0.0.0.0/8 is this host (RFC 1122), 169.254.0.0/16 link-local (RFC 3927), with the clouds' 169.254.169.254; 224.0.0.0/4 and above are many, or none.
        return bytes[0] is 0 or 127 or >= 224 || (bytes[0] == 169 && bytes[1] == 254);
    }

    /// <summary>The IPv4 address that an IPv6 address stands for: mapped (RFC 4291), compatible (its predecessor), NAT64 (RFC 6052), 6to4 (RFC 3056); else the address.</summary>
    public static IPAddress Plain(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        if (bytes[..12].SequenceEqual((ReadOnlySpan<byte>)[0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0])) return new IPAddress(bytes[12..]);
        if (bytes[..12].IndexOfAnyExcept((byte)0) < 0 && bytes[12..].IndexOfAnyExcept((byte)0) >= 0 && !address.Equals(IPAddress.IPv6Loopback)) return new IPAddress(bytes[12..]);
        return bytes is [0x20, 0x02, ..] ? new IPAddress(bytes[2..6]) : address;
    }
}
