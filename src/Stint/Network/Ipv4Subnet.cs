using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Stint.Network;

/// <summary>A range of IPv4 addresses, <c>10.100.0.0/16</c>.</summary>
/// <param name="First">Its first address as a number, 10.0.0.1 = 0x0a000001; the bits beyond the prefix are zero.</param>
/// <param name="PrefixLength">How many bits all of its addresses have in common, 0 to 32.</param>
internal readonly record struct Ipv4Subnet(uint First, int PrefixLength)
{
    /// <summary>Everything: the destination of a default route.</summary>
    public static Ipv4Subnet All => default;

    /// <summary>The last address.</summary>
    public uint Last => First | ~Mask(PrefixLength);

    /// <summary>Whether it lies in a range that nobody has on the Internet (RFC 1918, RFC 6598).</summary>
    public bool IsPrivate => Within(0x0a000000, 8) || Within(0xac100000, 12) || Within(0xc0a80000, 16) || Within(0x64400000, 10);

    /// <summary>The range of that size that an address lies in.</summary>
    public static Ipv4Subnet Containing(uint address, int prefixLength) => new(address & Mask(prefixLength), prefixLength);

    /// <summary>Reads <c>10.100.0.0/16</c>; a single address is a range of one.</summary>
    /// <returns>False when it is none, or has bits beyond the prefix (<c>10.100.0.1/16</c>).</returns>
    public static bool TryParse(string text, out Ipv4Subnet subnet)
    {
        subnet = default;
        var parts = text.Split('/');
        if (parts.Length > 2 || !TryParseAddress(parts[0], out var first)) return false;
        var length = 32;
        if (parts.Length == 2 && !(int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out length) && length <= 32)) return false;
        subnet = new Ipv4Subnet(first, length);
        return (first & ~Mask(length)) == 0;
    }

    /// <summary>Reads an address with its four numbers; .NET takes <c>1</c> for 0.0.0.1 and <c>010</c> for 8.</summary>
    public static bool TryParseAddress(string text, out uint address)
    {
        address = 0;
        if (!IPAddress.TryParse(text, out var parsed) || parsed.AddressFamily != AddressFamily.InterNetwork || parsed.ToString() != text) return false;
        address = Number(parsed);
        return true;
    }

    /// <summary>An IPv4 address as a number.</summary>
    public static uint Number(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        if (!address.TryWriteBytes(bytes, out var count) || count != 4) throw new ArgumentException("not an IPv4 address", nameof(address));
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(bytes);
    }

    /// <summary>A number as an address in its usual form.</summary>
    public static string Text(uint address) => string.Create(CultureInfo.InvariantCulture, $"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}");

    /// <summary>Whether an address lies in it.</summary>
    public bool Contains(uint address) => (address & Mask(PrefixLength)) == First;

    /// <summary>Whether an address lies in it.</summary>
    public bool Contains([NotNullWhen(true)] IPAddress? address) =>
        address switch
        {
            { AddressFamily: AddressFamily.InterNetwork } => Contains(Number(address)),
            { IsIPv4MappedToIPv6: true } => Contains(Number(address.MapToIPv4())),
            _ => false,
        };

    /// <summary>Whether the two have addresses in common.</summary>
    public bool Overlaps(Ipv4Subnet other) => Contains(other.First) || other.Contains(First);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Text(First)}/{PrefixLength}");

    private bool Within(uint first, int prefixLength) => PrefixLength >= prefixLength && new Ipv4Subnet(first, prefixLength).Contains(First);

    private static uint Mask(int prefixLength) => prefixLength == 0 ? 0 : uint.MaxValue << (32 - prefixLength);
}
