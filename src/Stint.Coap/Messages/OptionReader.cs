using System.Buffers.Binary;

namespace Stint.Coap.Messages;

/// <summary>
/// Walks the options of a message without allocating (RFC 7252 §3.1). After <see cref="Next"/> has returned false,
/// <see cref="IsMalformed"/> tells a format error from the end, and <see cref="PayloadOffset"/> where the payload begins.
/// </summary>
internal ref struct OptionReader(ReadOnlySpan<byte> datagram, int optionsOffset)
{
    private const byte PayloadMarker = 0xff;

    private readonly ReadOnlySpan<byte> _datagram = datagram;
    private int _position = optionsOffset;

    /// <summary>The number of the current option.</summary>
    public int Number { get; private set; }

    /// <summary>Where the current option's value begins in the datagram.</summary>
    public int ValueOffset { get; private set; }

    /// <summary>How long it is, bytes.</summary>
    public int ValueLength { get; private set; }

    /// <summary>The current option's value.</summary>
    public readonly ReadOnlySpan<byte> Value => _datagram.Slice(ValueOffset, ValueLength);

    /// <summary>A reserved nibble, a value that runs over the end, a number above 65,535, or a marker with nothing behind it.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>Where the payload begins; the datagram's length when there is none.</summary>
    public int PayloadOffset { get; private set; } = datagram.Length;

    /// <summary>Goes to the next option; false at the payload, at the end and at an error.</summary>
    public bool Next()
    {
        if (IsMalformed || _position >= _datagram.Length) return false;

        var head = _datagram[_position++];
        if (head == PayloadMarker)
        {
            IsMalformed = _position == _datagram.Length;
            PayloadOffset = _position;
            _position = _datagram.Length;
            return false;
        }

        if (!TryExtend(head >> 4, out var delta) || !TryExtend(head & 0xf, out var length)
            || Number + delta > ushort.MaxValue || length > _datagram.Length - _position)
        {
            IsMalformed = true;
            return false;
        }

        Number += delta;
        ValueOffset = _position;
        ValueLength = length;
        _position += length;
        return true;
    }

    /// <summary>13 means one more byte, 14 two more, 15 is reserved for the payload marker.</summary>
    private bool TryExtend(int nibble, out int value)
    {
        value = nibble;
        if (nibble < 13) return true;
        var more = nibble - 12;
        if (nibble == 15 || more > _datagram.Length - _position) return false;
        value = nibble == 13 ? 13 + _datagram[_position] : 269 + BinaryPrimitives.ReadUInt16BigEndian(_datagram[_position..]);
        _position += more;
        return true;
    }
}
