using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Stint.Network.Netlink;

/// <summary>
/// Builds one request in a buffer of the caller's: header, the fixed part of its kind, attributes (netlink(7), rtnetlink(7)). Numbers are in the host's byte order, addresses in the network's.
/// <code>
/// | length:4 | type:2 | flags:2 | sequence:4 | port:4 | fixed part | attribute … |        attribute: | length:2 | type:2 | value | to a multiple of 4 |
/// </code>
/// </summary>
internal ref struct NetlinkRequest
{
    /// <summary>Bytes of the header.</summary>
    public const int HeaderLength = 16;

    private const ushort IsNested = 0x8000; // NLA_F_NESTED
    private const ushort FlagRequest = 1;   // NLM_F_REQUEST

    private readonly Span<byte> _buffer;
    private int _length;

    /// <summary>Begins a request.</summary>
    /// <param name="buffer">Where it is built.</param>
    /// <param name="type">RTM_…</param>
    /// <param name="flags">NLM_F_… besides NLM_F_REQUEST.</param>
    /// <param name="sequence">Comes back in the answers.</param>
    public NetlinkRequest(Span<byte> buffer, ushort type, ushort flags, uint sequence)
    {
        _buffer = buffer;
        Take(HeaderLength);
        MemoryMarshal.Write(_buffer[4..], type);
        MemoryMarshal.Write(_buffer[6..], (ushort)(flags | FlagRequest));
        MemoryMarshal.Write(_buffer[8..], sequence);
    }

    /// <summary>The request as it goes to the kernel.</summary>
    public readonly ReadOnlySpan<byte> Bytes
    {
        get
        {
            MemoryMarshal.Write(_buffer, (uint)_length);
            return _buffer[.._length];
        }
    }

    /// <summary>Adds the fixed part.</summary>
    public void Add<T>(in T fixedPart) where T : unmanaged => MemoryMarshal.Write(Take(System.Runtime.CompilerServices.Unsafe.SizeOf<T>()), fixedPart);

    /// <summary>Adds a number of 32 bits.</summary>
    public void Add(ushort attribute, uint value) => MemoryMarshal.Write(Attribute(attribute, sizeof(uint)), value);

    /// <summary>Adds a number of 8 bits.</summary>
    public void Add(ushort attribute, byte value) => Attribute(attribute, sizeof(byte))[0] = value;

    /// <summary>Adds an IPv4 address.</summary>
    /// <param name="attribute">Its type.</param>
    /// <param name="value">As a number, 10.0.0.1 = 0x0a000001.</param>
    public void AddAddress(ushort attribute, uint value) => BinaryPrimitives.WriteUInt32BigEndian(Attribute(attribute, sizeof(uint)), value);

    /// <summary>Adds a text with its zero.</summary>
    public void Add(ushort attribute, string value)
    {
        var space = Attribute(attribute, Encoding.UTF8.GetByteCount(value) + 1);
        space[Encoding.UTF8.GetBytes(value, space)] = 0;
    }

    /// <summary>Adds bytes.</summary>
    public void Add(ushort attribute, ReadOnlySpan<byte> value) => value.CopyTo(Attribute(attribute, value.Length));

    /// <summary>Opens an attribute that holds others.</summary>
    /// <returns>What <see cref="End"/> wants.</returns>
    public int Begin(ushort attribute)
    {
        var start = _length;
        Attribute((ushort)(attribute | IsNested), 0);
        return start;
    }

    /// <summary>Closes it.</summary>
    public readonly void End(int start) => MemoryMarshal.Write(_buffer[start..], (ushort)(_length - start));

    private Span<byte> Attribute(ushort type, int length)
    {
        var space = Take(4 + length);
        MemoryMarshal.Write(space, (ushort)(4 + length));
        MemoryMarshal.Write(space[2..], type);
        return space[4..];
    }

    // Everything begins at a multiple of four; what lies between is zero.
    private Span<byte> Take(int length)
    {
        var space = _buffer.Slice(_length, (length + 3) & ~3);
        space.Clear();
        _length += space.Length;
        return space[..length];
    }
}
