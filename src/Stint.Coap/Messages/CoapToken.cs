using System.Buffers.Binary;

namespace Stint.Coap.Messages;

/// <summary>
/// What ties a response to its request. Up to 8 bytes are held in place, so that ordinary tokens cost no allocation;
/// longer ones (RFC 8974) own an array.
/// </summary>
public readonly struct CoapToken : IEquatable<CoapToken>
{
    /// <summary>The longest token of RFC 7252, bytes.</summary>
    public const int ShortLength = 8;

    /// <summary>The longest token that RFC 8974 can write, bytes.</summary>
    public const int MaxLength = 65_804;

    private readonly ulong _bits;
    private readonly byte[]? _long;

    /// <summary>Copies the bytes; at most <see cref="MaxLength"/>.</summary>
    public CoapToken(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, MaxLength, nameof(bytes));
        Length = bytes.Length;
        if (bytes.Length > ShortLength)
        {
            _long = bytes.ToArray();
            return;
        }

        Span<byte> padded = stackalloc byte[ShortLength];
        padded.Clear();
        bytes.CopyTo(padded);
        _bits = BinaryPrimitives.ReadUInt64BigEndian(padded);
    }

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>Writes the bytes; the target must have room for <see cref="Length"/> of them.</summary>
    public void CopyTo(Span<byte> target)
    {
        if (_long is not null)
        {
            _long.CopyTo(target);
            return;
        }

        Span<byte> padded = stackalloc byte[ShortLength];
        BinaryPrimitives.WriteUInt64BigEndian(padded, _bits);
        padded[..Length].CopyTo(target);
    }

    /// <inheritdoc/>
    public bool Equals(CoapToken other) =>
        Length == other.Length && _bits == other._bits && (_long is null ? other._long is null : _long.AsSpan().SequenceEqual(other._long));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is CoapToken other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        if (_long is null) return HashCode.Combine(_bits, Length);
        var hash = new HashCode();
        hash.AddBytes(_long);
        return hash.ToHashCode();
    }

    /// <summary>The bytes in hexadecimal.</summary>
    public override string ToString()
    {
        if (_long is not null) return Convert.ToHexString(_long);
        Span<byte> bytes = stackalloc byte[ShortLength];
        CopyTo(bytes);
        return Convert.ToHexString(bytes[..Length]);
    }

    public static bool operator ==(CoapToken left, CoapToken right) => left.Equals(right);

    public static bool operator !=(CoapToken left, CoapToken right) => !left.Equals(right);
}
