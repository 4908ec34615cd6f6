using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Stint.Network.Netlink;

/// <summary>Walks over the messages of one datagram from the kernel. Nothing in it is trusted: a length that does not fit ends the walk, and <see cref="IsBroken"/> says so.</summary>
internal ref struct NetlinkAnswer(ReadOnlySpan<byte> datagram)
{
    private ReadOnlySpan<byte> _rest = datagram;

    /// <summary>Type, RTM_… or NLMSG_….</summary>
    public ushort Type { get; private set; }

    /// <summary>NLM_F_….</summary>
    public ushort Flags { get; private set; }

    /// <summary>The request's number.</summary>
    public uint Sequence { get; private set; }

    /// <summary>What follows the header.</summary>
    public ReadOnlySpan<byte> Body { get; private set; }

    /// <summary>The datagram does not consist of whole messages.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Goes to the next message.</summary>
    public bool Next()
    {
        if (_rest.Length == 0) return false;
        var length = _rest.Length < NetlinkRequest.HeaderLength ? 0 : MemoryMarshal.Read<uint>(_rest);
        if (length < NetlinkRequest.HeaderLength || length > (uint)_rest.Length)
        {
            IsBroken = true;
            _rest = default;
            return false;
        }
        Type = MemoryMarshal.Read<ushort>(_rest[4..]);
        Flags = MemoryMarshal.Read<ushort>(_rest[6..]);
        Sequence = MemoryMarshal.Read<uint>(_rest[8..]);
        Body = _rest[NetlinkRequest.HeaderLength..(int)length];
        _rest = _rest[Math.Min(((int)length + 3) & ~3, _rest.Length)..];
        return true;
    }
}

/// <summary>Walks over attributes, with the same distrust.</summary>
internal ref struct NetlinkAttributes(ReadOnlySpan<byte> bytes)
{
    private const ushort TypeMask = 0x3fff; // without NLA_F_NESTED and NLA_F_NET_BYTEORDER

    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>Its type.</summary>
    public ushort Type { get; private set; }

    /// <summary>Its value.</summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>The value as a number of 32 bits; zero when it is shorter.</summary>
    public readonly uint Number => Value.Length < sizeof(uint) ? 0 : MemoryMarshal.Read<uint>(Value);

    /// <summary>The value as an IPv4 address; zero when it is none.</summary>
    public readonly uint Address => Value.Length == sizeof(uint) ? BinaryPrimitives.ReadUInt32BigEndian(Value) : 0;

    /// <summary>The value as a text, without its zero.</summary>
    public readonly string Text => Encoding.UTF8.GetString(Value.IndexOf((byte)0) is >= 0 and var end ? Value[..end] : Value);

    /// <summary>Goes to the next attribute; what is cut off is no attribute.</summary>
    public bool Next()
    {
        if (_rest.Length < 4) return false;
        var length = MemoryMarshal.Read<ushort>(_rest);
        if (length < 4 || length > _rest.Length) return false;
        Type = (ushort)(MemoryMarshal.Read<ushort>(_rest[2..]) & TypeMask);
        Value = _rest[4..length];
        _rest = _rest[Math.Min((length + 3) & ~3, _rest.Length)..];
        return true;
    }
}
