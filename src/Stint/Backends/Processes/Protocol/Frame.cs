using System.Buffers.Binary;

namespace Stint.Backends.Processes.Protocol;

/// <summary>A frame as it was read. Head and body lie in the reader's buffer and are valid until the next read.</summary>
/// <param name="Type">Which message; one that the daemon never receives is left to the reader of the message to refuse.</param>
/// <param name="More">Whether BODY frames of the same message follow.</param>
/// <param name="Status">RESPONSE: the HTTP status.</param>
/// <param name="Head">Text fields separated by NUL.</param>
/// <param name="Body">Bytes.</param>
internal readonly record struct Frame(FrameType Type, bool More, ushort Status, ReadOnlyMemory<byte> Head, ReadOnlyMemory<byte> Body)
{
    /// <summary>Bytes of a frame's header.</summary>
    public const int HeaderSize = 12;

    /// <summary>The most bytes that a head may have, and the most that a frame's body may have.</summary>
    public const int MaxPart = 64 * 1024;

    /// <summary>The first byte of the flags.</summary>
    private const byte MoreFlag = 1;

    /// <summary>
    /// Writes a frame's header:
    /// <code>size:u32  type:u8  flags:u8  status:u16  head-size:u32   (little-endian)</code>
    /// </summary>
    public static void WriteHeader(Span<byte> destination, FrameType type, bool more, int headSize, int bodySize)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, (uint)(headSize + bodySize));
        destination[4] = (byte)type;
        destination[5] = more ? MoreFlag : (byte)0;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[6..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[8..], (uint)headSize);
    }

    /// <summary>Reads a header. Null when its sizes or flags break the contract.</summary>
    public static FrameHeader? ReadHeader(ReadOnlySpan<byte> source)
    {
        var size = BinaryPrimitives.ReadUInt32LittleEndian(source);
        var head = BinaryPrimitives.ReadUInt32LittleEndian(source[8..]);
        if (head > MaxPart || size < head || size - head > MaxPart || source[5] > MoreFlag) return null;
        return new FrameHeader((FrameType)source[4], source[5] == MoreFlag, BinaryPrimitives.ReadUInt16LittleEndian(source[6..]), (int)head, (int)(size - head));
    }
}

/// <summary>A frame's header, checked.</summary>
internal readonly record struct FrameHeader(FrameType Type, bool More, ushort Status, int HeadSize, int BodySize)
{
    /// <summary>Bytes of the whole frame.</summary>
    public int FrameSize => Frame.HeaderSize + HeadSize + BodySize;
}

/// <summary>The instance sent something that docs/runtime-interface.md does not allow.</summary>
internal sealed class ProtocolException(string message) : Exception(message);
