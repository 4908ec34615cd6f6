using System.Buffers.Binary;

namespace Stint.Coap.Messages;

/// <summary>What reading the start of a datagram can end in.</summary>
internal enum HeaderVerdict
{
    /// <summary>A header; the rest may still be malformed.</summary>
    Read,

    /// <summary>Too short for a header, or another version: silently ignored (RFC 7252 §3).</summary>
    Foreign,

    /// <summary>A header whose token cannot be read: a message format error.</summary>
    Malformed,
}

/// <summary>
/// The fixed part of a message and where the rest begins (RFC 7252 §3, RFC 8974 §2.1):
/// <code>
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// |Ver| T |  TKL  |      Code     |          Message ID           |
/// |   token length − 13 or − 269 (TKL = 13, 14)   |   token ...
/// |   options ...   |1 1 1 1 1 1 1 1|   payload ...
/// </code>
/// </summary>
internal readonly struct MessageHeader(CoapMessageType type, CoapCode code, ushort messageId, int tokenOffset, int tokenLength)
{
    /// <summary>Bytes of the fixed part.</summary>
    public const int Size = 4;

    public CoapMessageType Type { get; } = type;

    public CoapCode Code { get; } = code;

    public ushort MessageId { get; } = messageId;

    /// <summary>Where the token begins.</summary>
    public int TokenOffset { get; } = tokenOffset;

    public int TokenLength { get; } = tokenLength;

    /// <summary>Where the first option begins.</summary>
    public int OptionsOffset => TokenOffset + TokenLength;

    /// <summary>Reads the header; on <see cref="HeaderVerdict.Malformed"/> type, code and message id are still good.</summary>
    public static HeaderVerdict TryRead(ReadOnlySpan<byte> datagram, out MessageHeader header)
    {
        header = default;
        if (datagram.Length < Size || datagram[0] >> 6 != 1) return HeaderVerdict.Foreign;

        var type = (CoapMessageType)((datagram[0] >> 4) & 3);
        var code = new CoapCode(datagram[1]);
        var id = BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]);
        var offset = Size;
        int length = datagram[0] & 0xf;
        var readable = true;
        switch (length)
        {
            case 13 when datagram.Length >= Size + 1:
                length = 13 + datagram[Size];
                offset += 1;
                break;
            case 14 when datagram.Length >= Size + 2:
                length = 269 + BinaryPrimitives.ReadUInt16BigEndian(datagram[Size..]);
                offset += 2;
                break;
            case > CoapToken.ShortLength:
                readable = false;
                break;
        }

        readable = readable && offset + length <= datagram.Length;
        header = new MessageHeader(type, code, id, offset, readable ? length : 0);
        return readable ? HeaderVerdict.Read : HeaderVerdict.Malformed;
    }
}
