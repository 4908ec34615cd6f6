using System.Buffers.Binary;

namespace Stint.Coap.Messages;

/// <summary>
/// Writes one message into a buffer that the caller owns. Options must come in ascending order of their numbers.
/// Running out of room does not throw: <see cref="Overflowed"/> is set and nothing more is written.
/// </summary>
internal ref struct MessageWriter(Span<byte> buffer)
{
    private readonly Span<byte> _buffer = buffer;
    private int _lastNumber;

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    /// <summary>Whether something did not fit.</summary>
    public bool Overflowed { get; private set; }

    /// <summary>The fixed part and the token.</summary>
    public void Header(CoapMessageType type, CoapCode code, ushort messageId, CoapToken token)
    {
        var (nibble, extra) = Nibble(token.Length);
        if (!Reserve(MessageHeader.Size + extra + token.Length, out var target)) return;
        target[0] = (byte)(0x40 | ((int)type << 4) | nibble);
        target[1] = code.Value;
        BinaryPrimitives.WriteUInt16BigEndian(target[2..], messageId);
        Extend(target[MessageHeader.Size..], nibble, token.Length);
        token.CopyTo(target[(MessageHeader.Size + extra)..]);
    }

    /// <summary>An option with these bytes.</summary>
    public void Option(int number, scoped ReadOnlySpan<byte> value)
    {
        var (deltaNibble, deltaExtra) = Nibble(number - _lastNumber);
        var (lengthNibble, lengthExtra) = Nibble(value.Length);
        if (!Reserve(1 + deltaExtra + lengthExtra + value.Length, out var target)) return;
        target[0] = (byte)((deltaNibble << 4) | lengthNibble);
        Extend(target[1..], deltaNibble, number - _lastNumber);
        Extend(target[(1 + deltaExtra)..], lengthNibble, value.Length);
        value.CopyTo(target[(1 + deltaExtra + lengthExtra)..]);
        _lastNumber = number;
    }

    /// <summary>An option with an unsigned number.</summary>
    public void Option(int number, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        Option(number, bytes[..UIntValue.Write(bytes, value)]);
    }

    /// <summary>The marker and the payload; nothing when the payload is empty.</summary>
    public void Payload(scoped ReadOnlySpan<byte> payload)
    {
        if (payload.IsEmpty || !Reserve(1 + payload.Length, out var target)) return;
        target[0] = 0xff;
        payload.CopyTo(target[1..]);
    }

    private static (int Nibble, int ExtraBytes) Nibble(int value) => value switch { < 13 => (value, 0), < 269 => (13, 1), _ => (14, 2) };

    private static void Extend(Span<byte> target, int nibble, int value)
    {
        if (nibble == 13) target[0] = (byte)(value - 13);
        if (nibble == 14) BinaryPrimitives.WriteUInt16BigEndian(target, (ushort)(value - 269));
    }

    private bool Reserve(int count, out Span<byte> target)
    {
        Overflowed |= count > _buffer.Length - Length;
        target = Overflowed ? [] : _buffer.Slice(Length, count);
        if (!Overflowed) Length += count;
        return !Overflowed;
    }
}
