namespace Stint.Coap.Blockwise;

/// <summary>
/// The value of a Block1 or Block2 option (RFC 7959 §2.2): block number, whether more follow, and the size as an exponent.
/// <code>
/// |  NUM (4, 12 or 20 bits)  |M| SZX |      size = 2^(SZX + 4) = 16 … 1,024 bytes, SZX 7 is reserved
/// </code>
/// </summary>
/// <param name="Number">0 to 1,048,575.</param>
/// <param name="More">Whether this is not the last block.</param>
/// <param name="Exponent">0 to 7.</param>
public readonly record struct BlockValue(int Number, bool More, int Exponent)
{
    /// <summary>The exponent of 1,024 bytes.</summary>
    public const int MaxExponent = 6;

    /// <summary>The reserved exponent (BERT, only over TCP).</summary>
    public const int ReservedExponent = 7;

    private const int MaxNumber = (1 << 20) - 1;

    /// <summary>Bytes of a block.</summary>
    public int Size => 16 << Exponent;

    /// <summary>Where the block begins in the body.</summary>
    public long Offset => (long)Number * Size;

    /// <summary>Whether the number fits into the option.</summary>
    public bool IsWritable => Number is >= 0 and <= MaxNumber;

    /// <summary>The option's value as a number.</summary>
    public uint Raw => ((uint)Number << 4) | (More ? 8u : 0u) | (uint)Exponent;

    /// <summary>Reads the option's value as a number.</summary>
    public static BlockValue FromRaw(uint raw) => new((int)(raw >> 4), (raw & 8) != 0, (int)(raw & 7));

    /// <summary>The largest exponent whose size is at most this many bytes; 0 when even 16 are too many.</summary>
    public static int ExponentOf(int size)
    {
        var exponent = MaxExponent;
        while (exponent > 0 && 16 << exponent > size) exponent--;
        return exponent;
    }
}
