using System.Buffers.Binary;
using System.Text;

namespace Stint.Tests.Runtimes;

/// <summary>The types of frames of docs/runtime-interface.md.</summary>
internal enum FrameType : byte
{
    Request = 1,
    Body = 2,
    Cancel = 3,
    Load = 4,
    Ping = 5,
    Hello = 16,
    Response = 17,
    Ready = 18,
    Failure = 19,
    Pong = 20,
}

/// <summary>One frame, written and read without the daemon's code, so that both are held to the document.</summary>
internal sealed record RuntimeFrame(FrameType Type, bool More, int Status, string[] Head, byte[] Body)
{
    /// <summary>Bytes of the header.</summary>
    public const int HeaderSize = 12;

    /// <summary>The most bytes in a head, and in a frame's body.</summary>
    public const int Piece = 65536;

    /// <summary>The body as text.</summary>
    public string Text => Encoding.UTF8.GetString(Body);

    /// <summary>The head's fields from <paramref name="from"/> on, as name and value pairs.</summary>
    public Dictionary<string, string> Pairs(int from = 0) => Head.Skip(from).Chunk(2).ToDictionary(pair => pair[0], pair => pair[1]);

    /// <summary>The frame's bytes.</summary>
    public byte[] ToBytes()
    {
        var head = Encoding.UTF8.GetBytes(string.Join('\0', Head));
        var bytes = new byte[HeaderSize + head.Length + Body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, head.Length + Body.Length);
        bytes[4] = (byte)Type;
        bytes[5] = More ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(6), (ushort)Status);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), head.Length);
        head.CopyTo(bytes, HeaderSize);
        Body.CopyTo(bytes, HeaderSize + head.Length);
        return bytes;
    }

    /// <summary>Reads one frame and checks it against the document's limits.</summary>
    /// <exception cref="EndOfStreamException">The runtime closed the connection.</exception>
    public static async Task<RuntimeFrame> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var header = new byte[HeaderSize];
        await stream.ReadExactlyAsync(header, cancellationToken);
        var size = BinaryPrimitives.ReadInt32LittleEndian(header);
        var headSize = BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(8));
        Assert.InRange(headSize, 0, Piece);
        Assert.InRange(size - headSize, 0, Piece);
        Assert.Equal(0, header[5] & ~1);
        var rest = new byte[size];
        await stream.ReadExactlyAsync(rest, cancellationToken);
        var head = headSize == 0 ? [] : Encoding.UTF8.GetString(rest, 0, headSize).Split('\0');
        return new((FrameType)header[4], (header[5] & 1) != 0, BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(6)), head, rest[headSize..]);
    }
}
