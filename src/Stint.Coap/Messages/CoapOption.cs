using System.Text;

namespace Stint.Coap.Messages;

/// <summary>One option of a message: its number (0 to 65,535) and its bytes.</summary>
/// <param name="Number">See <see cref="OptionNumber"/>.</param>
/// <param name="Value">The bytes; at most 65,804 can be written.</param>
public readonly record struct CoapOption(int Number, ReadOnlyMemory<byte> Value)
{
    /// <summary>An option whose value is an unsigned number in as few bytes as it needs (RFC 7252 §3.2: uint).</summary>
    public static CoapOption OfUInt(int number, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        return new(number, bytes[..UIntValue.Write(bytes, value)].ToArray());
    }

    /// <summary>An option whose value is text.</summary>
    public static CoapOption OfText(int number, string text) => new(number, Encoding.UTF8.GetBytes(text));

    /// <summary>The value read as a number; bytes beyond the last four are not looked at.</summary>
    public uint AsUInt() => UIntValue.Read(Value.Span);

    /// <summary>The value read as UTF-8.</summary>
    public string AsText() => Encoding.UTF8.GetString(Value.Span);

    /// <summary>Same number, same bytes.</summary>
    public bool Equals(CoapOption other) => Number == other.Number && Value.Span.SequenceEqual(other.Value.Span);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Number, Value.Length);
}

/// <summary>The option format <c>uint</c>: big endian, no leading zeros, 0 is empty (RFC 7252 §3.2).</summary>
internal static class UIntValue
{
    /// <summary>Reads the last four bytes; leading zeros are allowed.</summary>
    public static uint Read(ReadOnlySpan<byte> bytes)
    {
        uint value = 0;
        foreach (var b in bytes) value = (value << 8) | b;
        return value;
    }

    /// <summary>Writes into a span of at least four bytes; returns how many were used.</summary>
    public static int Write(Span<byte> target, uint value)
    {
        var length = value switch { 0 => 0, < 0x100 => 1, < 0x1_0000 => 2, < 0x100_0000 => 3, _ => 4 };
        for (var i = length - 1; i >= 0; i--, value >>= 8) target[i] = (byte)value;
        return length;
    }
}
